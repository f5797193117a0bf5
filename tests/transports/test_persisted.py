"""Documents by identifier on every transport: automatic persisted queries, and the documents of a manifest."""

import json
from typing import Any

import httpx
import pytest

from server.transports.documents.persisted import PersistedDocuments, RegisteredDocuments, TrustedDocuments, sha256
from server.transports.responses.accept import GRAPHQL_RESPONSE, JSON
from tests.support.sample_app import TRUSTED, Sample
from tests.support.uvicorn_server import Served
from tests.support.websocket_peer import dial
from tests.transports.conftest import Start
from tests.transports.http_requests import PATH, code_of, post

QUERY = "{ hello }"
HELLO, GREETED = {"data": {"hello": "Hello world"}}, {"data": {"hello": "Hello you"}}
NOT_FOUND = {"errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]}
NAME = {"name": "you"}
TRUSTED_HASH = sha256(TRUSTED["hello-v1"])


def hashed(digest: object, version: object = 1) -> dict[str, Any]:
    """Return the parameters of an automatic persisted query."""
    return {"extensions": {"persistedQuery": {"version": version, "sha256Hash": digest}}}


async def get(http: httpx.AsyncClient, **params: Any) -> httpx.Response:
    """Send parameters in the query string; objects as JSON."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
    return await http.get(PATH, params=texts, headers={"accept": JSON})


async def registers(http: httpx.AsyncClient, text: str) -> None:
    """Register a document."""
    assert "errors" not in (await post(http, query=text, **hashed(sha256(text)))).json()


async def is_known(http: httpx.AsyncClient, text: str) -> bool:
    """Return whether a document is executed by its hash."""
    return (await post(http, **hashed(sha256(text)))).json() != NOT_FOUND


class TestAutomaticPersistedQueries:
    """https://www.apollographql.com/docs/apollo-server/performance/apq"""

    @pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE], ids=["json", "graphql_response"])
    async def test_unknown_hash_asks_for_the_document_which_is_then_known(
        self, http: httpx.AsyncClient, accept: str
    ) -> None:
        """The message, the code and the status are those of Apollo Server."""
        unknown = await post(http, accept, **hashed(sha256(QUERY)))
        assert (unknown.status_code, unknown.json()) == (200, NOT_FOUND)
        assert (await post(http, accept, query=QUERY, **hashed(sha256(QUERY)))).json() == HELLO
        assert (await post(http, accept, **hashed(sha256(QUERY)))).json() == HELLO
        assert (await post(http, accept, query="", **hashed(sha256(QUERY)))).json() == HELLO
        assert (await post(http, accept, query=None, **hashed(sha256(QUERY)))).json() == HELLO
        assert (await get(http, **hashed(sha256(QUERY)))).json() == HELLO

    async def test_document_is_registered_by_get(self, http: httpx.AsyncClient) -> None:
        """A browser's request with the document is executed too, and not answered with the explorer."""
        assert (await get(http, **hashed(sha256(QUERY)))).json() == NOT_FOUND
        assert (await get(http, query=QUERY, **hashed(sha256(QUERY)))).json() == HELLO
        params = {name: json.dumps(value) for name, value in hashed(sha256(QUERY)).items()}
        answer = await http.get(PATH, params=params, headers={"accept": "text/html, application/json"})
        assert answer.json() == HELLO

    @pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE], ids=["json", "graphql_response"])
    @pytest.mark.parametrize(
        "digest", [sha256("{ other }"), sha256(QUERY).upper(), "x"], ids=["other", "upper", "none"]
    )
    async def test_wrong_hash_is_refused_and_registers_nothing(
        self, http: httpx.AsyncClient, accept: str, digest: str
    ) -> None:
        """Otherwise a client could register its document under the hash of another one."""
        answer = await post(http, accept, query=QUERY, **hashed(digest))
        assert (answer.status_code, code_of(answer)) == (400, "DOCUMENT_MISMATCH")
        assert (await post(http, **hashed(digest))).json() == NOT_FOUND
        await registers(http, QUERY)
        answer = await post(http, accept, query="{ other }", **hashed(sha256(QUERY)))
        assert (answer.status_code, code_of(answer)) == (400, "DOCUMENT_MISMATCH")
        assert (await post(http, **hashed(sha256(QUERY)))).json() == HELLO

    @pytest.mark.parametrize(
        "extension",
        [1, [], {}, {"version": 2, "sha256Hash": "x"}, {"version": 1}, {"version": 1, "sha256Hash": 7}],
        ids=["number", "list", "empty", "version", "no_hash", "number_hash"],
    )
    async def test_malformed_extension_is_a_bad_request(self, http: httpx.AsyncClient, extension: object) -> None:
        """With and without a document; a null extension counts as none."""
        for query in ({}, {"query": QUERY}):
            answer = await post(http, extensions={"persistedQuery": extension}, **query)
            assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")
        assert (await post(http, query=QUERY, extensions={"persistedQuery": None})).json() == HELLO

    async def test_invalid_document_is_not_registered(self, http: httpx.AsyncClient) -> None:
        """A document that cannot be parsed takes no space."""
        answer = await post(http, query="{", **hashed(sha256("{")))
        assert code_of(answer) == "GRAPHQL_PARSE_FAILED"
        assert not await is_known(http, "{")

    async def test_least_recently_used_documents_are_forgotten(self, start: Start) -> None:
        """Documents are dropped above the limit of their number or total size."""
        texts = [f"query Number{number} {{ hello }}" for number in range(4)]
        for registered in (RegisteredDocuments(3), RegisteredDocuments(100, 3 * len(texts[0]))):
            served = await start(Sample(documents=PersistedDocuments(registered=registered)))
            async with httpx.AsyncClient(base_url=served.origin) as http:
                for text in texts[:3]:
                    await registers(http, text)
                assert await is_known(http, texts[0])
                await registers(http, texts[3])
                assert [await is_known(http, text) for text in texts] == [True, False, True, True]

    async def test_server_without_registration_says_so(self, start: Start) -> None:
        """The code makes clients stop sending hashes."""
        served = await start(Sample(documents=PersistedDocuments(registered=RegisteredDocuments(0))))
        async with httpx.AsyncClient(base_url=served.origin) as http:
            for query in ({}, {"query": QUERY}):
                answer = await post(http, **query, **hashed(sha256(QUERY)))
                assert answer.json()["errors"][0]["message"] == "PersistedQueryNotSupported"
                assert code_of(answer) == "PERSISTED_QUERY_NOT_SUPPORTED"


class TestDocumentIds:
    """https://graphql.github.io/graphql-over-http/draft/#sec-Appendix-Persisted-Documents"""

    @pytest.mark.parametrize("document_id", ["hello-v1", f"sha256:{TRUSTED_HASH}"], ids=["custom", "sha256"])
    async def test_trusted_document_is_executed_by_its_identifier(
        self, http: httpx.AsyncClient, served: Served, document_id: str
    ) -> None:
        """The document is executed by POST, by GET, as an event stream and over websocket."""
        assert (await post(http, documentId=document_id, variables=NAME)).json() == GREETED
        assert (await get(http, documentId=document_id, variables=NAME)).json() == GREETED
        stream = await post(http, "text/event-stream", documentId=document_id, variables=NAME)
        assert f"data: {json.dumps(GREETED, separators=(',', ':'))}\n" in stream.text
        async with dial(served) as peer:
            await peer.send("subscribe", id="1", payload={"documentId": document_id, "variables": NAME})
            assert (await peer.receive())["payload"] == GREETED

    async def test_apollo_manifest_identifier_is_sent_as_a_hash(self, http: httpx.AsyncClient) -> None:
        """Apollo Client sends identifiers of its manifest as `sha256Hash`; the real hash works too."""
        for identifier in ("hello-v1", TRUSTED_HASH):
            assert (await post(http, variables=NAME, **hashed(identifier))).json() == GREETED

    async def test_document_of_its_identifier_may_be_sent_along(self, http: httpx.AsyncClient) -> None:
        """A document that is not the identifier's is refused."""
        right = await post(http, documentId="hello-v1", query=TRUSTED["hello-v1"], variables=NAME)
        assert right.json() == GREETED
        wrong = await post(http, documentId="hello-v1", query=QUERY)
        assert (wrong.status_code, code_of(wrong)) == (400, "DOCUMENT_MISMATCH")
        unknown = await post(http, documentId="hello-v2", query=QUERY)
        assert (unknown.status_code, code_of(unknown)) == (400, "DOCUMENT_MISMATCH")

    async def test_document_is_registered_under_its_sha256_identifier(self, http: httpx.AsyncClient) -> None:
        """It works like the extension of Apollo."""
        identifier = f"sha256:{sha256(QUERY)}"
        assert (await post(http, documentId=identifier)).json() == NOT_FOUND
        assert (await post(http, documentId=identifier, query=QUERY)).json() == HELLO
        assert (await post(http, documentId=identifier)).json() == HELLO
        assert await is_known(http, QUERY)

    async def test_unknown_identifier_is_one_error(self, http: httpx.AsyncClient, served: Served) -> None:
        """Over websocket the error ends that operation only."""
        assert (await post(http, documentId="hello-v2")).json() == NOT_FOUND
        async with dial(served) as peer:
            await peer.send("subscribe", id="1", payload={"documentId": "hello-v2"})
            assert await peer.receive() == {"id": "1", "type": "error", "payload": NOT_FOUND["errors"]}
            await peer.subscribe(QUERY, "2")
            assert (await peer.receive())["payload"] == HELLO

    @pytest.mark.parametrize("document_id", [7, "", "x" * 513, ["hello-v1"]], ids=["number", "empty", "long", "list"])
    async def test_malformed_identifier_is_a_bad_request(self, http: httpx.AsyncClient, document_id: object) -> None:
        """A malformed identifier is reported like any parameter of a wrong type."""
        answer = await post(http, documentId=document_id)
        assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")

    async def test_request_without_document_and_identifier_is_a_bad_request(self, http: httpx.AsyncClient) -> None:
        """Null counts as absent for both."""
        answer = await post(http, documentId=None, extensions={})
        assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")

    async def test_mutation_by_identifier_is_refused_by_get(self, start: Start) -> None:
        """The status is 405, as for any mutation by GET."""
        trusted = TrustedDocuments({"write": 'mutation { write(value: "x") }'})
        sample = Sample(documents=PersistedDocuments(trusted))
        served = await start(sample)
        async with httpx.AsyncClient(base_url=served.origin) as http:
            assert (await get(http, documentId="write")).status_code == 405
            assert sample.probe.written == []
            assert (await post(http, documentId="write")).json() == {"data": {"write": "x"}}
