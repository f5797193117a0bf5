"""The layout of the tests: folders share code through tests.support only."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
SHARED = "support"


def imported_folders(source: str) -> Iterator[str]:
    """Yield the folders under tests/ that a module imports from."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module="tests"):
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield from _folder(module)
            case ast.Import():
                for alias in node.names:
                    yield from _folder(alias.name)
            case _:
                pass


def _folder(module: str) -> Iterator[str]:
    root, _, rest = module.partition(".")
    if root == "tests" and rest:
        yield rest.partition(".")[0]


def test_no_test_folder_imports_from_another() -> None:
    """Shared helpers belong in tests/support, which itself imports no test folder."""
    offenders = [
        f"{path.relative_to(TESTS)} imports tests.{folder}"
        for path in sorted(TESTS.rglob("*.py"))
        if "node_modules" not in path.parts
        for folder in imported_folders(path.read_text("utf-8"))
        if folder not in (SHARED, path.relative_to(TESTS).parts[0])
    ]
    assert offenders == []


def test_the_root_conftest_imports_no_server() -> None:
    """A unit test of a pure module must not pay for the import of the server."""
    conftest = TESTS / "conftest.py"
    assert set(imported_folders(conftest.read_text("utf-8"))) == {SHARED}
    choice = TESTS / SHARED / "database_choice.py"
    assert set(imported_folders(choice.read_text("utf-8"))) == set()
