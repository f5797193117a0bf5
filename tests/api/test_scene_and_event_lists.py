"""The scenes and events of a job in pages."""

from typing import Any

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import a_job, accepted, report
from tests.support.pages import walk
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

SCENES = """
query(
  $id: ID!, $first: Int, $after: String, $last: Int, $before: String, $status: [SceneStatus!], $all: Boolean! = false
) {
  job(id: $id) {
    scenes(first: $first, after: $after, last: $last, before: $before, status: $status, includeDeleted: $all) {
      totalCount
      edges { cursor node { id } }
      nodes { id }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
"""


class TestScenes:
    """Job.scenes."""

    async def test_scene_list_has_all_scenes_by_default(self, shared: App) -> None:
        """A storyboard is shown as a whole."""
        made = await a_job(shared, *["A kite"] * 30)
        page = await self._page(shared, made.id)
        assert [node["id"] for node in page["nodes"]] == made.scenes
        assert page["totalCount"] == 30
        assert (page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"]) == (False, False)

    async def test_scene_pages_forwards_and_backwards_have_the_same_order(self, shared: App) -> None:
        """In pages of any size."""
        made = await a_job(shared, *["A kite"] * 9)

        async def fetch(**arguments: Any) -> Json:
            return await self._page(shared, made.id, **arguments)

        for size in (1, 2, 5, 9, 100):
            assert await walk(fetch, size) == made.scenes
            assert await walk(fetch, size, backward=True) == made.scenes

    async def test_scene_filter_by_status(self, shared: App) -> None:
        """In play order."""
        made = await a_job(shared, *["A kite"] * 4)
        await report(shared, made.scenes[2], "COMPLETED")
        await report(shared, made.scenes[0], "PROCESSING")
        for status, places in (
            (["PENDING"], [1, 3]),
            (["COMPLETED", "PROCESSING"], [0, 2]),
            (["FAILED"], []),
            ([], []),
            (None, [0, 1, 2, 3]),
        ):
            page = await self._page(shared, made.id, status=status)
            assert [node["id"] for node in page["nodes"]] == [made.scenes[place] for place in places]
            assert page["totalCount"] == len(places)

    async def test_deleted_scenes_are_listed_on_request(self, shared: App) -> None:
        """At their old positions, in pages as well."""
        made = await a_job(shared, *["A kite"] * 4)
        await accepted(shared, "deleteScene", sceneId=made.scenes[1])

        async def fetch(**arguments: Any) -> Json:
            return await self._page(shared, made.id, all=True, **arguments)

        live = [scene for scene in made.scenes if scene != made.scenes[1]]
        assert [node["id"] for node in (await self._page(shared, made.id))["nodes"]] == live
        for size in (1, 2, 3):
            walked = await walk(fetch, size)
            assert sorted(walked) == sorted(made.scenes)
            assert [scene for scene in walked if scene != made.scenes[1]] == live

    async def _page(self, app: App, job_id: str, **arguments: Any) -> Json:
        """Return one page of a job's scenes."""
        return (await app.execute(SCENES, id=job_id, **arguments))["job"]["scenes"]


class TestEvents:
    """Job.events."""

    async def test_polling_client_reads_the_events_after_a_version(self, shared: App) -> None:
        """Oldest first, a hundred at a time by default."""
        made = await a_job(shared, "One")
        for number in range(2, 105):
            await jobs.retitle(shared, made.id, f"Title {number}")

        async def versions(arguments: str) -> list[int]:
            job = await jobs.job(shared, made.id, f"events{arguments} {{ version }}")
            return [event["version"] for event in job["events"]]

        assert await versions("") == list(range(1, 101))
        assert await versions("(after: 100)") == [101, 102, 103, 104]
        assert await versions("(first: 2, after: 3)") == [4, 5]
        assert await versions("(after: 104)") == []
        assert await versions("(after: null, first: 1)") == [1]
        assert await versions("(after: 0, first: 1)") == [1]
