"""The manifests that compilers of clients write are trusted documents of a server."""

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from server.graphql.schema import sdl
from tests.support import document_compilers as compilers
from tests.support.server_process import ROOT
from tests.support.tokens import production_server

DOCUMENTS = [
    ROOT / "docs" / "clients" / "feed.graphql",
    *sorted((ROOT / "web" / "src" / "operations").glob("*.graphql")),
]
Persist = Callable[[Path, Path, Sequence[Path]], Awaitable[Path]]
MANIFESTS: dict[str, Persist] = {
    "graphql_codegen": compilers.codegen_manifest,
    "relay": compilers.relay_manifest,
}
# An operation without its variables, which is what the test sends, is refused after its document was found and
# validated; one without a variable is executed.
FOUND = {"BAD_USER_INPUT", "STREAM_REQUIRED", None}


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """Install the compilers."""
    compilers.install()


@pytest.mark.parametrize("persist", MANIFESTS.values(), ids=MANIFESTS)
async def test_documents_that_a_compiler_persisted_are_trusted(persist: Persist, tmp_path: Path) -> None:
    """Each is executed by its identifier in the manifest; any other document is refused."""
    schema = tmp_path / "schema.graphql"
    schema.write_text(sdl())
    manifest = await persist(tmp_path, schema, DOCUMENTS)
    identifiers = list(json.loads(manifest.read_text()))
    assert len(identifiers) >= len(DOCUMENTS)
    folder = tmp_path / "server"
    async with production_server(folder, trusted_documents=str(manifest), trusted_documents_only=True) as server:
        amy = server.user("amy")
        for identifier in identifiers:
            body = (await amy.http.post("/graphql", json={"documentId": identifier})).json()
            codes = {error["extensions"]["code"] for error in body.get("errors", [])} or {None}
            assert codes <= FOUND, (identifier, body)
        refused = await amy.result("{ viewer { id } }")
    assert refused["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
