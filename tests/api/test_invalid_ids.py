"""An invalid id in every place that takes an id."""

import json

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import a_job
from tests.support.invalid_values import BAD_IDS
from tests.support.queries import EVERYTHING
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestIds:
    """An invalid id in every place that takes an id."""

    QUERY = """query($id: ID!, $job: ID!, $scene: ID!) {
        node(id: $id) { id }
        missing: job(id: $id) { id }
        scene(id: $id) { id }
        inJob: scene(id: $scene, jobId: $id) { id }
        job(id: $job) { scene(id: $id) { id } }
    }"""

    @pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS)
    async def test_invalid_ids_in_queries_return_null(self, shared: App, bad: str) -> None:
        """Like ids that do not exist."""
        made = await a_job(shared, "One")
        assert await shared.execute(self.QUERY, id=bad, job=made.id, scene=made.scenes[0]) == {
            "node": None,
            "missing": None,
            "scene": None,
            "inJob": None,
            "job": {"scene": None},
        }

    @pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS)
    async def test_invalid_ids_in_mutations_are_not_found(self, shared: App, bad: str) -> None:
        """The error has the given id and its path."""
        made = await a_job(shared, "One")
        before = await jobs.job(shared, made.id, EVERYTHING)
        for name, more in (
            ("updateJob", {"title": "New"}),
            ("startJob", {}),
            ("cancelJob", {}),
            ("addScene", {"scene": {"prompt": "Two"}}),
        ):
            await self._check(shared, name, "jobId", bad, more)
        for name, more in (
            ("updateScene", {"title": "New"}),
            ("regenerateScene", {}),
            ("cancelScene", {}),
            ("deleteScene", {}),
            ("moveScene", {"position": 0}),
        ):
            await self._check(shared, name, "sceneId", bad, more)
            await self._check(shared, name, "sceneId", bad, more | {"jobId": made.id})
            await self._check(shared, name, "jobId", bad, more | {"sceneId": made.scenes[0]})
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    @pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS)
    async def test_invalid_ids_in_subscriptions_are_an_error(self, shared: App, bad: str) -> None:
        """The error is the only message."""
        for name, field in (("jobEvents", "jobId"), ("jobProgress", "jobId"), ("sceneUpdated", "sceneId")):
            document = f"subscription($id: ID!) {{ {name}({field}: $id) {{ __typename }} }}"
            assert await self._stream_error(shared, document, id=bad) == {"code": "NOT_FOUND", "field": [field]}

    async def test_invalid_owner_of_a_dashboard_subscription_is_refused(self, shared: App) -> None:
        """Like in the filter of a query."""
        document = "subscription($id: ID!) { jobsUpdated(filter: {ownerId: $id}) { id } }"
        for bad in ("a\0b", "x" * 10_000):
            error = await self._stream_error(shared, document, id=bad)
            assert (error["code"], error["refusals"][0]["field"]) == ("VALIDATION_FAILED", ["filter", "ownerId"])

    async def _stream_error(self, app: App, document: str, **variables: object) -> Json:
        """Return the extensions of the only error of a stream that ends at once."""
        body = {"query": document, "variables": variables}
        answer = await app.http.post("/graphql", json=body, headers={"accept": "text/event-stream"})
        data = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
        (error,) = json.loads(data.removeprefix("data: "))["errors"]
        return error["extensions"]

    async def _check(self, app: App, name: str, field: str, bad: str, more: Json) -> None:
        """Check that the payload has exactly this error."""
        fields = more | {field: bad}
        selection = "errors { __typename code path ... on NotFoundError { id } }"
        payload = await app.mutate(name, selection, **fields)
        error = {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["input", field], "id": bad}
        assert payload == {"errors": [error]}, name
