"""The layout of the tests: folders share code through tests.support only, marks stand on tests, and ids are plain."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plain_ids import LONGEST, is_plain, plain_id

TESTS = Path(__file__).parents[1]
SHARED = "support"
# What the first mark of pytest above a definition is followed by: other decorators, and the name.
MARKED = re.compile(
    r"^( *)@pytest\.mark\..*\n(?:\1(?!(?:async )?(?:def|class) ).*\n|\n)*?\1(?:async )?(?:def|class) (\w+)", re.M
)


def sources() -> list[Path]:
    """List the modules of the tests."""
    return [path for path in sorted(TESTS.rglob("*.py")) if "node_modules" not in path.parts]


def marked_helpers(source: str) -> list[str]:
    """Return the names of what has a mark of pytest and is no test."""
    return [name for _, name in MARKED.findall(source) if not name.startswith(("test_", "Test"))]


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
        for path in sources()
        for folder in imported_folders(path.read_text("utf-8"))
        if folder not in (SHARED, path.relative_to(TESTS).parts[0])
    ]
    assert offenders == []


def test_marks_stand_on_tests() -> None:
    """pytest ignores a mark on a helper, such as `usefixtures`, without a word."""
    found = {str(path.relative_to(TESTS)): marked_helpers(path.read_text("utf-8")) for path in sources()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("names", "source"),
    [
        (["helper"], '@pytest.mark.usefixtures("packages")\nasync def helper() -> None:'),
        (["packages"], "@pytest.mark.slow\n@pytest.fixture\ndef packages() -> None:"),
        (["Helper"], "@pytest.mark.slow\nclass Helper:"),
        (
            ["helper"],
            "class TestX:\n    @pytest.mark.parametrize(\n        'x',\n        [1],\n    )\n    def helper(self):",
        ),
        ([], "@pytest.mark.slow\n@other(1)\nasync def test_x() -> None:\n    ...\n\n\ndef helper() -> None:"),
        ([], "@pytest.mark.slow\nclass TestX:\n    def helper(self):"),
    ],
    ids=["function", "fixture", "class", "method", "test", "class-of-tests"],
)
def test_marks_on_helpers_are_found(names: list[str], source: str) -> None:
    """On functions, fixtures, classes and methods."""
    assert marked_helpers(f"{source}\n") == names


def test_the_root_conftest_imports_no_server() -> None:
    """A unit test of a pure module must not pay for the import of the server."""
    conftest = TESTS / "conftest.py"
    assert set(imported_folders(conftest.read_text("utf-8"))) == {SHARED}
    choice = TESTS / SHARED / "database_choice.py"
    assert set(imported_folders(choice.read_text("utf-8"))) == set()


def test_ids_of_all_collected_tests_are_plain(request: pytest.FixtureRequest) -> None:
    """Printable ASCII without quotes, brackets, backslashes and `::`."""
    assert [item.nodeid for item in request.session.items if not is_plain(item.nodeid)] == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain-1.5 %", "plain-1.5_%"),
        ('{"a": [1]}', "a_1"),
        ("C:\\new::line\n", "C_new_line"),
        ("\ud800\u0663", "argument"),
        (b"\xff'x'", "x"),
        ("x" * 1000, "x" * LONGEST),
        (1, None),
    ],
)
def test_ids_of_text_are_plain(value: object, expected: str | None) -> None:
    """Only text is changed; what has no plain character has the name of its argument."""
    assert plain_id(value, "argument") == expected
    assert expected is None or is_plain(f"tests/unit/test_a.py::test_a[{expected}]")


@pytest.mark.parametrize("bad", ["\\", '"', "'", "[", "]", "(", "::", "\n", "é", "\x00"])
def test_ids_that_are_not_plain_are_found(bad: str) -> None:
    """A node id without parameters is always plain."""
    assert not is_plain(f"tests/unit/test_a.py::test_a[a{bad}b]")
    assert is_plain("tests/unit/test_a.py::TestA::test_a")
