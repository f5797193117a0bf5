"""Run a sample of mutants and report the survivors; see the package's docstring."""

import fnmatch
import json
import os
import random
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.mutants.plugin import LEFT_OUT

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORK = ROOT / "mutants"
REPORT = WORK / "report.md"
GOAL_PERCENT = 90.0
MUTMUT = [sys.executable, "-m", "mutmut"]
# Exit codes that mutmut records for a mutant: those of pytest, of signals, and 33 when no test calls the function.
SURVIVED = (0, 5, 33, None)
KILLED_BY_A_TEST = (1, 3)
NO_SUCH_MUTANT = "nothing.matches.this.name"


class Survivor(NamedTuple):
    """A mutant that all tests of its function pass with."""

    name: str
    function: str
    removed: str
    added: str


class Explanation(NamedTuple):
    """Why a survivor is accepted: `function` and `line` (the mutated line, stripped) name it, `*` is a wildcard."""

    function: str
    line: str
    reason: str

    def explains(self, survivor: Survivor) -> bool:
        """Return whether this entry names the survivor."""
        return fnmatch.fnmatchcase(survivor.function, self.function) and fnmatch.fnmatchcase(survivor.added, self.line)


def main() -> int:
    """Run the sample that the environment asks for; return 1 when the score is below the goal."""
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    only = os.environ.get("ONLY") or "*"
    size = os.environ.get("SAMPLE") or "200"
    print(f"seed {seed}", flush=True)
    _prepare()
    names = [name for name in recorded() if fnmatch.fnmatchcase(name, only)]
    chosen = names if size == "all" else random.Random(seed).sample(names, min(int(size), len(names)))
    began = time.monotonic()
    _mutmut("run", *chosen)
    results = recorded()
    report, passed = summarize(chosen, results, explanations(), seed)
    REPORT.write_text(report, "utf-8")
    print(report)
    print(
        f"{len(chosen)} of {len(names)} mutants in {time.monotonic() - began:.0f} s; report: {REPORT.relative_to(ROOT)}"
    )
    return 0 if passed else 1


def _prepare() -> None:
    """Make the mutants, and record which tests call which function."""
    print("making the mutants, and finding which tests call which function", flush=True)
    # Fewer random examples, as in `make unit`.
    os.environ.setdefault("SCENEWIRE_TEST_EFFORT", "0.2")
    # It fails, as no mutant has that name, once both are done.
    ended = subprocess.run([*MUTMUT, "run", NO_SUCH_MUTANT], cwd=ROOT, check=False, capture_output=True, text=True)
    if not (WORK / "mutmut-stats.json").exists():
        sys.exit(f"mutmut did not run the tests:\n{(ended.stdout + ended.stderr)[-3000:]}")


def recorded() -> dict[str, int | None]:
    """Return the exit code of every mutant by its name; None when it has not run."""
    found: dict[str, int | None] = {}
    for file in sorted(WORK.rglob("*.meta")):
        found |= json.loads(file.read_text("utf-8"))["exit_code_by_key"]
    return found


def explanations() -> list[Explanation]:
    """Return the entries of explained.toml."""
    entries = tomllib.loads((HERE / "explained.toml").read_text("utf-8")).get("mutant", [])
    return [Explanation(entry["function"], entry["line"], entry["reason"]) for entry in entries]


def summarize(
    chosen: Sequence[str], results: dict[str, int | None], known: Sequence[Explanation], seed: int
) -> tuple[str, bool]:
    """Return the report in Markdown, and whether the share of killed mutants reaches the goal."""
    survivors = [_survivor(name) for name in chosen if results[name] in SURVIVED]
    late = [name for name in chosen if results[name] not in (*SURVIVED, *KILLED_BY_A_TEST)]
    explained = {each: entry for each in survivors for entry in known if entry.explains(each)}
    open_ones = [each for each in survivors if each not in explained]
    counted = len(chosen) - len(explained)
    percent = 100.0 * (counted - len(open_ones)) / counted if counted else 100.0
    lines = [
        f"# Mutants (seed {seed})",
        f"{counted - len(open_ones)} of {counted} killed: {percent:.1f} % (goal {GOAL_PERCENT:g} %), "
        f"{len(explained)} explained survivors not counted.",
        "",
        *_by_folder(chosen, open_ones),
        "",
        *(f"- survived: `{each.name}`\n  - `{each.removed}`\n  - `{each.added}`" for each in open_ones),
        *(f"- explained: `{each.name}`: {entry.reason}" for each, entry in explained.items()),
        *(f"- killed by a timeout or a crash: `{name}`" for name in late),
        *(f"- left out, as it fails without a mutant: `{test}`" for test in _left_out()),
    ]
    return "\n".join(lines) + "\n", percent >= GOAL_PERCENT


def _left_out() -> list[str]:
    path = WORK / LEFT_OUT
    return sorted(set(path.read_text("utf-8").splitlines())) if path.exists() else []


def _by_folder(chosen: Iterable[str], survivors: Iterable[Survivor]) -> list[str]:
    total = Counter(_folder(name) for name in chosen)
    left = Counter(_folder(each.name) for each in survivors)
    return [f"- {folder}: {total[folder] - left[folder]} of {total[folder]}" for folder in sorted(total)]


def _folder(name: str) -> str:
    return "/".join(name.split(".")[:2])


def _survivor(name: str) -> Survivor:
    shown = subprocess.run([*MUTMUT, "show", name], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    changed = [line for line in shown.splitlines() if line[:1] in "-+" and line[:3] not in ("---", "+++")]
    removed = next((line[1:].strip() for line in changed if line[0] == "-"), "")
    added = next((line[1:].strip() for line in changed if line[0] == "+"), "")
    module, _, mangled = name.partition(".x")
    function = mangled.rpartition("__mutmut_")[0].strip("_ǁ").replace("ǁ", ".")
    return Survivor(name, f"{module}.{function}", removed, added)


def _mutmut(*arguments: str) -> None:
    subprocess.run([*MUTMUT, *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
