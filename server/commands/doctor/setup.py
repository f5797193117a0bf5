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
        yield Finding("documents", State.FAIL, str(error), "generate the manifest again: docs/persisted-documents.md")
    else:
        yield Finding("documents", State.OK, f"{settings.trusted_documents} can be used")


async def _pages(settings: Settings) -> Findings:
    pages = {
        "storyboard": (settings.storyboard, DIST / "storyboard" / "index.html"),
        "explorer": (settings.allows_explorer, DIST / "index.html"),
    }
    served = {name: page for name, (is_on, page) in pages.items() if is_on}
    missing = [name for name, page in served.items() if not page.is_file()]
    if not served:
        yield Finding("pages", State.OK, "the storyboard and the explorer are off, so no page is served")
    elif not missing:
        yield Finding("pages", State.OK, f"built, in {DIST}: {', '.join(served)}")
    else:
        node = _node()
        not_built = f"not built: {', '.join(missing)}"
        found = f"{not_built}; Node.js, which builds pages, is {'at ' + node if node else 'not installed'}"
        switches = " and ".join(f"{PREFIX}{name.upper()}=false" for name in missing)
        todo = "run: make explorer (it installs a Node.js in .venv where none is), or set "
        yield Finding("pages", State.WARN, found, f"{todo}{switches}; the API works without")


def _node() -> str | None:
    own = Path(ROOT, ".venv", "bin", "node")
    return shutil.which("node") or (str(own) if own.is_file() else None)


CHECKS = (Check("settings", _settings), Check("documents", _documents), Check("pages", _pages))
