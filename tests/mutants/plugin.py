"""A pytest plugin for mutmut: runs tests in the order of their files, and leaves out those that fail without a mutant.

mutmut shuffles tests, and many share a server; and it stops for good at the first test that fails without a mutant,
for example for lack of memory or of a program on this machine.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

# In the folder mutants/, in which mutmut runs pytest.
LEFT_OUT = Path("left-out.txt")
# What mutmut says in the environment while it looks which tests call which function, and runs those without a mutant.
WITHOUT_A_MUTANT = ("stats", "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort by file, line and parameter, and deselect those left out. The file of the quickest test is first."""
    files: dict[str, int] = {}
    for item in items:
        files.setdefault(item.location[0], len(files))
    items.sort(key=lambda item: (files[item.location[0]], *_place(item)))
    left_out = set(LEFT_OUT.read_text("utf-8").splitlines()) if LEFT_OUT.exists() else set[str]()
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
    items[:] = [item for item in items if item.nodeid not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a test that fails without a mutant as skipped, and leave it out from then on."""
    report = yield
    if report.failed and os.environ.get("MUTANT_UNDER_TEST") in WITHOUT_A_MUTANT:
        with LEFT_OUT.open("a", encoding="utf-8") as file:
            file.write(f"{item.nodeid}\n")
        report.outcome = "skipped"
        report.longrepr = (
            item.location[0],
            item.location[1] or 0,
            f"fails without a mutant: {report.longreprtext[-300:]}",
        )
    return report


def _place(item: pytest.Item) -> tuple[int, list[int]]:
    indices: dict[str, int] = getattr(getattr(item, "callspec", None), "indices", {})
    return item.location[1] or 0, [indices[name] for name in sorted(indices)]
