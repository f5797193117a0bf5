"""Run the few tests that failed in `make test` again, three times each, one at a time.

A run has some 7,500 tests, hundreds of which start processes and databases on shared machines. One that fails there and
never alone is a fault of the test, or a rare one of the product: its name and seed are printed, to be looked into. It
does not hold back a change that did not touch it. More than three are no accident, nor is a test that fails again.
"""

import json
import subprocess
import sys
from pathlib import Path

FAILED = Path(__file__).parents[1] / ".pytest_cache" / "v" / "cache" / "lastfailed"
MOST = 3
TIMES = 3


def main() -> int:
    """Return 0 when each of the tests that failed, at most three, passes three times."""
    failed = sorted(json.loads(FAILED.read_text()))
    say(f"{len(failed)} failed:", *failed)
    if not 1 <= len(failed) <= MOST:
        return 1
    for number in range(1, TIMES + 1):
        say(f"Again, {number} of {TIMES}:")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *failed]
        if status := subprocess.call(command):  # noqa: S603 # no shell, and names that pytest wrote
            return status
    say("UNSTABLE: passed three times alone after a failure beside others:", *failed)
    return 0


def say(title: str, *lines: str) -> None:
    """Print a title and lines below it, before what the next command prints."""
    print(f"\n{title}", *lines, sep="\n  ", flush=True)  # noqa: T201 # the output of CI is its only reader


sys.exit(main())
