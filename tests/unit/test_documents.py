"""The links, commands and variables of all Markdown pages exist, and docs/README.md leads to every page."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from server.cli import app
from server.configuration.unread_variables import TOKEN
from server.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
PACKAGES = ("server", "coordinator", "providers", "models", "subscriptions", "resolvers", "schema", "execution")
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in DOCS.rglob("*.md") if "node_modules" not in page.parts)])
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Names on the pages for operators that are no settings: those of buckets, and words of the API.
OTHERS = {
    "AWS_ALLOW_HTTP",
    "AWS_ENDPOINT",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
}
# The address of the server, which the example workers read.
OF_EXAMPLES = {"URL"}
# Reached by a link to their folder.
DECISIONS = DOCS / "decisions"


def targets(page: Path) -> list[tuple[Path, str]]:
    """Return the file and the anchor of each link to this repository."""
    links = LINK.findall(CODE.sub("", page.read_text("utf-8")))
    own = [link.partition("#") for link in links if "://" not in link and not link.startswith("mailto:")]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in own]


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: those of its headings, made as GitHub does, and those that it names."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)"', text))


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """Links to other sites are not followed."""
    for file, anchor in targets(page):
        assert file.exists(), f"{page.name} links to {file.relative_to(ROOT)}"
        assert not anchor or anchor in anchors(file), f"{page.name} links to {file.name}#{anchor}"


def test_every_page_is_listed() -> None:
    """Decisions by their folder."""
    listed = {file for file, _ in targets(INDEX)}
    known = listed | {INDEX, *DECISIONS.glob("*.md")}
    assert [page.relative_to(ROOT).as_posix() for page in PAGES if page not in known] == []
    assert DECISIONS in listed
    assert INDEX in {file for file, _ in targets(ROOT / "README.md")}


def test_actions_of_the_log_exist() -> None:
    """Those that docs/operations.md explains."""
    code = "".join(file.read_text("utf-8") for name in PACKAGES for file in (ROOT / name).rglob("*.py"))
    section = (DOCS / "operations.md").read_text("utf-8").split("\n| action |")[1].split("\n\n")[0]
    explained = {name for row in section.splitlines()[2:] for name in re.findall(r"`([a-z._]+)`", row.split("|")[1])}
    assert len(explained) > 10
    assert {name for name in explained if f'"action": "{name}"' not in code} == set()


def test_commands_of_all_pages_exist() -> None:
    """Those of the program, with the options that follow them."""
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    calls = re.findall(r"python -m server ([a-z]+)((?: --[a-z-]+| [a-z0-9]+)*)", text)
    assert len(calls) > 20
    for name, rest in calls:
        assert name in command.commands, name
        options = {option for parameter in command.commands[name].params for option in _options(parameter)}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, name + rest


def _options(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def test_variables_of_all_pages_are_settings() -> None:
    """Those with the prefix, and on the pages for operators those without it."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    known = {*(name.upper() for name in Settings.model_fields), TOKEN, *OF_EXAMPLES}
    prefixed = set(re.findall(r"SCENEWIRE_([A-Z][A-Z_]*[A-Z])\b", text))
    assert {name for name in prefixed - known if not name.startswith(("TEST_", "REQUIRE_"))} == set()
    for name in ("operations", "proxies", "storage", "databases", "runtime"):
        page = (DOCS / f"{name}.md").read_text("utf-8")
        named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", page))
        assert {each.removeprefix("SCENEWIRE_") for each in named} - known - OTHERS == set(), name
