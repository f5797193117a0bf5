"""Trusted documents: manifests of three tools, and a server that executes nothing else for users."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from server.app import create_app
from server.settings import Settings, WrongSettings
from server.transports.documents.persisted import sha256
from tests.support.client import READS_ON_DEMAND, Client, Json
from tests.support.tokens import ProductionServer, production_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER = "query Viewer { viewer { id } }"
OTHER = "query Other { viewer { id roles } }"
FOLLOW = "subscription Follow($jobId: ID!) { jobEvents(jobId: $jobId) { __typename } }"
COSTLY = "{ jobs(first: 100) { nodes { scenes(first: 100) { nodes { id } } } } }"
INTROSPECTION = "{ __schema { queryType { name } } }"
CREATE = "mutation Create($input: CreateJobInput!) { createJob(input: $input) { job { id } } }"
DOCUMENTS = {"viewer-v1": VIEWER, "follow-v1": FOLLOW, "create-v1": CREATE, "costly-v1": COSTLY}
REFUSED = "DOCUMENT_NOT_TRUSTED"


def codegen(documents: Json) -> Json:
    """Return the persisted-documents.json of graphql-codegen; Relay's has the same form."""
    return documents


def apollo(documents: Json) -> Json:
    """Return the manifest of @apollo/generate-persisted-query-manifest."""
    operations = [{"id": key, "name": "Any", "type": "query", "body": body} for key, body in documents.items()]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}


def prefixed(documents: Json) -> Json:
    """Return a map of the hashes of the documents, with their prefix."""
    return {f"sha256:{sha256(text)}": text for text in documents.values()}


def written(folder: Path, manifest: object) -> str:
    """Write a manifest; return its path."""
    path = folder / "manifest.json"
    path.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    return str(path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server that executes only trusted documents for users."""
    folder = tmp_path_factory.mktemp("trusted")
    manifest = written(folder, apollo(DOCUMENTS))
    settings = {"trusted_documents": manifest, "trusted_documents_only": True, "introspection": True}
    async with production_server(folder, None, get_queries=True, **settings) as server:
        yield server


async def post(client: Client, accept: str = "application/json", **params: Any) -> httpx.Response:
    """Send the parameters of an operation."""
    return await client.http.post("/graphql", json=params, headers={"accept": accept})


async def code_of(client: Client, **params: Any) -> str | None:
    """Send the parameters of an operation; return the code of the only error, None when it was executed."""
    body = (await post(client, **params)).json()
    errors = body.get("errors", [])
    assert len(errors) <= 1
    return errors[0]["extensions"]["code"] if errors else None


async def first_message(client: Client, payload: Json) -> Json:
    """Subscribe over websocket; return the first message."""
    address = f"ws{client.url.removeprefix('http')}/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], **READS_ON_DEMAND) as socket:
        await socket.send(json.dumps(client.init))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        return json.loads(await socket.recv())


@pytest.mark.parametrize("form", [codegen, apollo, prefixed], ids=["codegen", "apollo", "prefixed"])
async def test_documents_of_a_manifest_are_executed_by_identifier(tmp_path: Path, form: Any) -> None:
    """Other documents are executed too, unless the server is restricted to trusted ones."""
    manifest = form(DOCUMENTS)
    async with production_server(tmp_path, trusted_documents=written(tmp_path, manifest)) as server:
        amy = server.user("amy")
        first = f"sha256:{sha256(VIEWER)}" if form is prefixed else "viewer-v1"
        for identifier in (first, f"sha256:{sha256(VIEWER)}"):
            answer = (await post(amy, documentId=identifier)).json()
            assert answer["data"] == {"viewer": {"id": "amy"}}
            assert answer["extensions"]["cost"]["requested"] == 1
        assert await code_of(amy, query=OTHER) is None


class TestStrictMode:
    """The setting TRUSTED_DOCUMENTS_ONLY."""

    async def test_user_may_execute_trusted_documents_only(self, strict: ProductionServer) -> None:
        """Named by identifier or sent as the same text; any other document is refused in every parameter."""
        amy = strict.user("amy")
        hashed = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER)}}}
        assert await code_of(amy, documentId="viewer-v1") is None
        assert await code_of(amy, query=VIEWER) is None
        assert await code_of(amy, extensions={"persistedQuery": {"version": 1, "sha256Hash": sha256(VIEWER)}}) is None
        assert await code_of(amy, query=OTHER) == REFUSED
        assert await code_of(amy, query=f"{VIEWER} ") == REFUSED
        assert await code_of(amy, query=INTROSPECTION) == REFUSED
        assert await code_of(amy, documentId="viewer-v2") == REFUSED
        assert await code_of(amy, **hashed) == REFUSED
        assert await code_of(amy, query=OTHER, **hashed) == REFUSED
        assert await code_of(amy, query=OTHER, documentId="viewer-v1") == "DOCUMENT_MISMATCH"
        assert await code_of(amy, query=OTHER, documentId=f"sha256:{sha256(OTHER)}") == REFUSED

    async def test_worker_and_admin_may_execute_any_document(self, strict: ProductionServer) -> None:
        """Documents that workers and admins register are not executed for users."""
        hashed = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER)}}}
        for role in ("worker", "admin"):
            tool = strict.user(role, role)
            assert await code_of(tool, query=OTHER) is None
            assert await code_of(tool, query=OTHER, **hashed) is None
            assert await code_of(tool, **hashed) is None
            assert await code_of(tool, query=INTROSPECTION) is None
        assert await code_of(strict.user("amy"), **hashed) == REFUSED

    async def test_user_is_restricted_by_get_event_stream_and_websocket(self, strict: ProductionServer) -> None:
        """A trusted subscription, named by its identifier, works on each of them."""
        amy = strict.user("amy")
        draft = {"title": "Kites", "provider": "external", "scenes": [{"prompt": "A kite"}]}
        created = (await post(amy, documentId="create-v1", variables={"input": draft})).json()
        variables = {"jobId": created["data"]["createJob"]["job"]["id"]}
        assert REFUSED in (await amy.http.get("/graphql", params={"query": OTHER})).text
        assert (await amy.http.get("/graphql", params={"documentId": "viewer-v1"})).json()["data"]
        stream = await post(amy, "text/event-stream", query=f"{FOLLOW} ", variables=variables)
        assert REFUSED in stream.text
        refused = await first_message(amy, {"query": f"{FOLLOW} ", "variables": variables})
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", REFUSED)
        followed = await first_message(amy, {"documentId": "follow-v1", "variables": variables})
        assert followed["payload"]["data"] == {"jobEvents": {"__typename": "JobSnapshot"}}

    async def test_limits_apply_to_trusted_documents(self, strict: ProductionServer) -> None:
        """Limits of depth, cost and rate do not depend on how a document is named."""
        assert await code_of(strict.user("amy"), documentId="costly-v1") == "GRAPHQL_LIMIT_EXCEEDED"

    async def test_unknown_identifiers_count_as_requests(self, tmp_path: Path) -> None:
        """Guessing identifiers is rate limited like any other request."""
        manifest = written(tmp_path, DOCUMENTS)
        async with production_server(tmp_path, trusted_documents=manifest, limit_requests=3) as server:
            amy = server.user("amy")
            codes = [await code_of(amy, documentId="viewer-v2") for _ in range(4)]
        assert codes == [*["PERSISTED_QUERY_NOT_FOUND"] * 3, "RATE_LIMITED"]

    async def test_rest_is_not_restricted(self, strict: ProductionServer) -> None:
        """REST calls have no documents, so users may make them."""
        answer = await strict.user("amy").http.get("/api/v3/jobs/job_01h455vb4pex5vsknk084sn02q/scenes")
        assert answer.status_code == 404
        assert REFUSED not in answer.text


BAD_MANIFESTS: dict[str, tuple[object, str]] = {
    "no_json": ("{", "is not valid JSON"),
    "list": ([VIEWER], "is not an object of documents"),
    "empty": ({}, "is not an object of documents"),
    "no_text": ({"a": 1}, "'a' is not the text of a document"),
    "syntax": ({"a": "{"}, "'a' is not a GraphQL document: Syntax Error"),
    "wrong_hash": ({f"sha256:{'0' * 64}": VIEWER}, "is not the hash of its document"),
    "identifier": ({"a b": VIEWER}, "'a b' is not a document identifier"),
    "reserved": ({"md5:0": VIEWER}, "'md5:0' is not a document identifier"),
    "version": ({**apollo(DOCUMENTS), "version": 2}, "has another format or version"),
    "operations": ({"format": "apollo-persisted-query-manifest", "version": 1}, "has no list of operations"),
    "no_id": ({**apollo({}), "operations": [{"body": VIEWER}]}, "operations[0] has no id"),
    "no_body": ({**apollo({}), "operations": [{"id": "a"}]}, "'a' is not the text of a document"),
    "twice": (
        {**apollo({}), "operations": [{"id": "a", "body": VIEWER}, {"id": "a", "body": OTHER}]},
        "names two documents 'a'",
    ),
}


@pytest.mark.parametrize(("manifest", "reason"), BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
async def test_unusable_manifest_is_refused_at_the_start_in_one_line(
    tmp_path: Path, manifest: object, reason: str
) -> None:
    """The line contains the path of the manifest and the wrong entry."""
    path = written(tmp_path, manifest)
    settings = Settings.model_validate(
        {
            "database_url": f"sqlite+aiosqlite:///{tmp_path}/test.db",
            "media_url": str(tmp_path / "media"),
            "trusted_documents": path,
        }
    )
    with pytest.raises(WrongSettings) as refused:
        create_app(settings)
    message = str(refused.value)
    assert message.startswith(f"SCENEWIRE_TRUSTED_DOCUMENTS: {path}: ")
    assert reason in message
    assert "\n" not in message
