"""The settings, the documents that they name, and the pages."""

import shutil
from pathlib import Path

from server.commands.doctor.findings import Check, Finding, Findings, State, apart
from server.configuration.unread_variables import unread_variables
from server.explorer import DIST
from server.graphql.trusted_documents import load_trusted_documents
from server.settings import PREFIX, ROOT, Settings, WrongSettings
from server.version import VERSION


async def _settings(settings: Settings) -> Findings:
    database = "SQLite" if settings.database_url.startswith("sqlite") else "Postgres"
    found = f"Scenewire {VERSION}, profile {settings.profile.value}, {database}, reached at {settings.address}"
    yield Finding("settings", State.OK, found)
    for sentence in unread_variables():
        yield Finding("settings", State.WARN, sentence, "correct its name, or remove it")
    if settings.production and not settings.public_url:
        found = f"links to media and webhooks begin with {settings.address}, which is an address of this machine"
        yield Finding("settings", State.WARN, found, f"set {PREFIX}PUBLIC_URL to the address that clients use")


async def _documents(settings: Settings) -> Findings:
    if not settings.trusted_documents:
        return
    try:
        await apart(lambda: load_trusted_documents(settings))
    except WrongSettings as error:
        yield Finding("documents", State.FAIL, str(error), "make the manifest anew: docs/persisted-documents.md")
    else:
        yield Finding("documents", State.OK, f"{settings.trusted_documents} can be used")


async def _pages(settings: Settings) -> Findings:
    if not settings.allows_explorer:
        yield Finding("pages", State.OK, "the explorer is off, so no page is served")
    elif (DIST / "index.html").is_file():
        yield Finding("pages", State.OK, f"the explorer is built, in {DIST}")
    else:
        node = _node()
        found = f"the explorer is not built; Node.js, which builds it, is {'at ' + node if node else 'not installed'}"
        todo = "run: make explorer (it installs a Node.js in .venv where none is), or set "
        yield Finding("pages", State.WARN, found, f"{todo}{PREFIX}EXPLORER=false; the API works without it")


def _node() -> str | None:
    own = Path(ROOT, ".venv", "bin", "node")
    return shutil.which("node") or (str(own) if own.is_file() else None)


CHECKS = (Check("settings", _settings), Check("documents", _documents), Check("pages", _pages))
