"""The tree drawn in docs/architecture.md is the real one."""

import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("server", "resolvers", "subscriptions", "schema", "coordinator", "providers", "models")
# Written by Alembic; described by the line of models/migrations/.
NOT_DRAWN = PurePosixPath("models/migrations/versions")


def drawn(page: str) -> set[PurePosixPath]:
    """What the first block of text names that draws a tree, folders included.

    A line that begins with a name ending in a slash opens that folder; any other line names files. What is indented
    further lies in the folder above it. After two spaces follow words.
    """
    for block in re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        named = _named(block)
        if any((ROOT / path).exists() for path in named):
            return named
    raise AssertionError(f"{PAGE.name} draws no tree")


def _named(block: str) -> set[PurePosixPath]:
    named: set[PurePosixPath] = set()
    opened: list[tuple[int, PurePosixPath]] = []
    for line in filter(str.strip, block.splitlines()):
        indent = len(line) - len(line.lstrip())
        opened = [(outer, folder) for outer, folder in opened if outer < indent]
        above = opened[-1][1] if opened else PurePosixPath()
        first, *others = re.split(r"\s{2,}", line.strip())[0].split(" ")
        if first.endswith("/"):
            opened.append((indent, above / first))
            others.clear()
        named |= {above / name for name in (first, *others)}
    return named


def folders() -> set[PurePosixPath]:
    """Every folder of the product that holds Python files."""
    found = {PurePosixPath(file.parent.relative_to(ROOT)) for name in PACKAGES for file in (ROOT / name).rglob("*.py")}
    return found - {NOT_DRAWN}


def test_the_tree_names_every_folder_of_the_product_and_nothing_else() -> None:
    """A new folder is described on the page; a new module in a described folder changes no page."""
    named = {path for path in drawn(PAGE.read_text()) if path.parts[0] in PACKAGES}
    assert sorted(folders() - named) == [], "not drawn"
    assert sorted(named - folders()) == [], "drawn, but not there"


def test_everything_drawn_is_there() -> None:
    """Nothing on the page has gone."""
    assert [str(path) for path in sorted(drawn(PAGE.read_text())) if not (ROOT / path).exists()] == []


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="only a clone knows what belongs to it"
)
def test_every_folder_at_the_root_is_drawn() -> None:
    """A new folder does not appear beside the house unexplained."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    roots = {PurePosixPath(line).parts[0] for line in tracked.splitlines() if "/" in line}
    hidden = {folder for folder in roots if folder.startswith(".")}
    assert sorted(roots - hidden - {path.parts[0] for path in drawn(PAGE.read_text())}) == []


@pytest.mark.parametrize(
    "tree",
    [
        "server/       words\n    app.py cli.py\n    settings.py   words\nserver/transports/\n    http.py\n",
        "server/\n    app.py\n    cli.py       words\n    settings.py\n    transports/  words\n        http.py\n",
        "server/\n    transports/\n        http.py\n    app.py cli.py settings.py\n",
    ],
    ids=["one line for many", "one line for each", "folders first"],
)
def test_how_a_tree_is_read(tree: str) -> None:
    """Columns and nesting are the page's own affair."""
    names = ["server", "server/transports", "server/transports/http.py", "server/app.py", "server/cli.py"]
    expected = {PurePosixPath(name) for name in [*names, "server/settings.py"]}
    assert drawn(f"# Page\n\n```text\nnothing of ours\n```\n\n```text\n{tree}```\n") == expected
