"""Jobs and scenes in pages: by the Relay cursor connection specification, with filters and orders."""

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from models.db.tables import JOB
from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, a_job, accepted, report
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
TITLES = ["Über Straßen", "über alles", "100% Kite", "100 Kites", "a_b", "aXb", "Kite", "kite", "back\\slash", "海"]
JOBS = 30
PAGE = """
query($first: Int, $after: String, $last: Int, $before: String, $filter: JobFilter, $orderBy: JobOrder) {
  jobs(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    totalCount
    edges { cursor node { id } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
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
ORDERS = [(field, direction) for field in ("CREATED_AT", "UPDATED_AT", "TITLE") for direction in ("ASC", "DESC")]

Fetch = Callable[..., Any]


class Gallery:
    """Many jobs, several of which share each title and each instant. `rows` holds what they can be ordered by."""

    def __init__(self, app: App, rows: list[Json]) -> None:
        self.app = app
        self.rows = rows

    def ids(self, field: str = "CREATED_AT", direction: str = "DESC") -> list[str]:
        """All ids in an order; ties are broken by the id, in the same direction."""
        ordered = sorted(self.rows, key=lambda row: (row[field], row["id"]), reverse=direction == "DESC")
        return [row["id"] for row in ordered]

    async def page(self, **arguments: Any) -> Json:
        """One page."""
        return (await self.app.execute(PAGE, **arguments))["jobs"]

    async def found(self, **conditions: Any) -> list[str]:
        """The titles that a filter lets through, in order; checks that they are counted rightly."""
        document = """query($filter: JobFilter) {
            jobs(filter: $filter, first: 100, orderBy: {field: TITLE, direction: ASC}) { totalCount nodes { title } }
        }"""
        answer = (await self.app.execute(document, filter=conditions))["jobs"]
        assert answer["totalCount"] == len(answer["nodes"])
        return [node["title"] for node in answer["nodes"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gallery(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Gallery]:
    """Thirty jobs made at five instants, changed at four, with ten titles."""
    chance = jobs.seeded("gallery")
    async with running(tmp_path_factory.mktemp("gallery")) as app:
        rows: list[Json] = []
        for number in range(JOBS):
            title = TITLES[number % len(TITLES)]
            made = await a_job(app, "A kite", title=title)
            created = EPOCH + timedelta(microseconds=chance.randrange(5))
            updated = EPOCH + timedelta(days=chance.randrange(4))
            rows.append({"id": made.id, "TITLE": title, "CREATED_AT": created, "UPDATED_AT": updated})
        async with app.container.store.write() as connection:
            for row in rows:
                instants = {"created_at": row["CREATED_AT"], "updated_at": row["UPDATED_AT"]}
                await connection.execute(sa.update(JOB).where(JOB.c.id == row["id"]).values(instants))
        yield Gallery(app, rows)


async def walk(fetch: Fetch, size: int, *, backward: bool = False, **fixed: Any) -> list[str]:
    """All ids, page by page; checks what each page tells about itself."""
    ids: list[str] = []
    cursor: str | None = None
    size_name, cursor_name, more = (
        ("last", "before", "hasPreviousPage") if backward else ("first", "after", "hasNextPage")
    )
    while True:
        page = await fetch(**{size_name: size, cursor_name: cursor}, **fixed)
        info, edges = page["pageInfo"], page["edges"]
        here = [edge["node"]["id"] for edge in edges]
        assert here == [node["id"] for node in page["nodes"]]
        assert (info["startCursor"], info["endCursor"]) == (edges[0]["cursor"], edges[-1]["cursor"])
        assert len({edge["cursor"] for edge in edges}) == len(edges)
        ids = here + ids if backward else ids + here
        if not info[more]:
            assert 0 < len(here) <= size
            return ids
        assert len(here) == size
        cursor = info["startCursor"] if backward else info["endCursor"]


class TestJobs:
    """Query.jobs."""

    @pytest.mark.parametrize(("field", "direction"), ORDERS)
    async def test_forwards_and_backwards_give_the_same_list(
        self, gallery: Gallery, field: str, direction: str
    ) -> None:
        """In every order, in pages of any size, over equal titles and equal instants: each job once."""
        order = {"field": field, "direction": direction}
        expected = gallery.ids(field, direction)
        for size in (3, JOBS):
            assert await walk(gallery.page, size, orderBy=order) == expected
            assert await walk(gallery.page, size, backward=True, orderBy=order) == expected

    async def test_twenty_unless_told_otherwise(self, gallery: Gallery) -> None:
        """The newest first; the rest is known to be there."""
        page = await gallery.page()
        assert [node["id"] for node in page["nodes"]] == gallery.ids()[:20]
        assert page["totalCount"] == JOBS
        assert page["pageInfo"] == {
            "hasNextPage": True,
            "hasPreviousPage": False,
            "startCursor": page["edges"][0]["cursor"],
            "endCursor": page["edges"][-1]["cursor"],
        }

    async def test_nulls_are_as_good_as_nothing(self, gallery: Gallery) -> None:
        """A client that sends every variable may."""
        page = await gallery.page(first=None, after=None, last=None, before=None, filter=None, orderBy=None)
        assert page == await gallery.page()

    async def test_what_lies_between_two_cursors(self, gallery: Gallery) -> None:
        """After one and before the other, from either side."""
        whole = await gallery.page(first=JOBS)
        cursors, ids = [edge["cursor"] for edge in whole["edges"]], gallery.ids()
        between = {"after": cursors[3], "before": cursors[9]}
        from_the_start = await gallery.page(first=3, **between)
        assert [node["id"] for node in from_the_start["nodes"]] == ids[4:7]
        from_the_end = await gallery.page(last=3, **between)
        assert [node["id"] for node in from_the_end["nodes"]] == ids[6:9]

    async def test_a_page_after_the_last_is_empty(self, gallery: Gallery) -> None:
        """With no cursors of its own."""
        whole = await gallery.page(first=JOBS)
        page = await gallery.page(after=whole["pageInfo"]["endCursor"])
        assert page == {
            "totalCount": JOBS,
            "edges": [],
            "nodes": [],
            "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
        }

    async def test_what_is_new_does_not_shift_the_pages(self, shared: App) -> None:
        """A job made while somebody pages is neither in between nor pushes another there twice."""
        first = [(await a_job(shared, title=f"Old {number}")).id for number in range(4)]

        async def fetch(**arguments: Any) -> Json:
            page = (await shared.execute(PAGE, **arguments))["jobs"]
            await a_job(shared, title="New")
            return page

        walked = await walk(fetch, 1, filter={"search": "old"})
        assert walked == first[::-1]

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("KITE", ["100 Kites", "100% Kite", "Kite", "kite"]),
            ("ÜBER", ["Über Straßen", "über alles"]),
            ("über s", ["Über Straßen"]),
            ("STRAßE", ["Über Straßen"]),
            ("海", ["海"]),
            ("100%", ["100% Kite"]),
            ("%", ["100% Kite"]),
            ("_", ["a_b"]),
            ("a_b", ["a_b"]),
            ("\\", ["back\\slash"]),
            ("k\\", ["back\\slash"]),
            ("[a-z]", []),
            ("kite' OR 1=1 --", []),
        ],
    )
    async def test_a_search_means_what_it_says(self, gallery: Gallery, search: str, found: list[str]) -> None:
        """In any case, of any alphabet; what is a wildcard elsewhere stands for itself."""
        assert await gallery.found(search=search) == sorted(found * 3)

    async def test_an_empty_search_finds_everything(self, gallery: Gallery) -> None:
        """As a search field does before anything is typed."""
        assert await gallery.found(search="") == sorted(TITLES * 3)

    @pytest.mark.parametrize("days", [0, 1, 2, 3, 4])
    async def test_updated_since(self, gallery: Gallery, days: int) -> None:
        """From that instant on, the instant included."""
        since = EPOCH + timedelta(days=days)
        expected = sorted(row["TITLE"] for row in gallery.rows if row["UPDATED_AT"] >= since)
        assert await gallery.found(updatedSince=since.isoformat()) == expected
        elsewhere = since.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert await gallery.found(updatedSince=elsewhere.isoformat()) == expected

    async def test_by_owner(self, gallery: Gallery) -> None:
        """Somebody who has none has an empty list."""
        assert len(await gallery.found(ownerId="local")) == JOBS
        assert await gallery.found(ownerId="somebody else") == []
        assert await gallery.found(ownerId=NO_JOB) == []

    async def test_by_status(self, shared: App) -> None:
        """Of any of these; of none there is nothing."""
        made = {status: await a_job(shared, "A kite", title=f"Of a status {status}") for status in ("a", "b", "c")}
        await accepted(shared, "startJob", jobId=made["b"].id)
        await report(shared, made["c"].scenes[0], "COMPLETED")
        search = "of a status"
        for status, found in (
            (["PENDING"], "a"),
            (["PROCESSING"], "b"),
            (["COMPLETED"], "c"),
            (["PENDING", "COMPLETED", "FAILED"], "ac"),
            (["FAILED", "CANCELED"], ""),
            ([], ""),
            (None, "abc"),
        ):
            page = await shared.execute(
                PAGE, filter={"status": status, "search": search}, orderBy={"field": "TITLE", "direction": "ASC"}
            )
            assert [node["id"] for node in page["jobs"]["nodes"]] == [made[name].id for name in found]
            assert page["jobs"]["totalCount"] == len(found)

    async def test_filters_are_combined(self, gallery: Gallery) -> None:
        """All of them must let a job through."""
        since = EPOCH + timedelta(days=2)
        expected = sorted(row["TITLE"] for row in gallery.rows if row["UPDATED_AT"] >= since and "100" in row["TITLE"])
        conditions = {"search": "100", "updatedSince": since.isoformat(), "status": ["PENDING"], "ownerId": "local"}
        assert await gallery.found(**conditions) == expected

    @pytest.mark.parametrize(("first", "second"), list(pairwise(ORDERS[::2] + ORDERS[:1])))
    async def test_a_cursor_of_another_order_is_refused(
        self, gallery: Gallery, first: tuple[str, str], second: tuple[str, str]
    ) -> None:
        """It would point anywhere."""
        page = await gallery.page(first=1, orderBy={"field": first[0]})
        answer = await gallery.app.result(PAGE, after=page["pageInfo"]["endCursor"], orderBy={"field": second[0]})
        assert answer["errors"][0]["extensions"] == {"code": "VALIDATION_FAILED", "field": ["after"]}


class TestScenes:
    """Job.scenes."""

    async def test_all_of_them_unless_told_otherwise(self, shared: App) -> None:
        """A storyboard is shown as a whole."""
        made = await a_job(shared, *["A kite"] * 30)
        page = await self._page(shared, made.id)
        assert [node["id"] for node in page["nodes"]] == made.scenes
        assert page["totalCount"] == 30
        assert (page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"]) == (False, False)

    async def test_forwards_and_backwards_give_the_same_list(self, shared: App) -> None:
        """In pages of any size."""
        made = await a_job(shared, *["A kite"] * 9)

        async def fetch(**arguments: Any) -> Json:
            return await self._page(shared, made.id, **arguments)

        for size in (1, 2, 5, 9, 100):
            assert await walk(fetch, size) == made.scenes
            assert await walk(fetch, size, backward=True) == made.scenes

    async def test_each_job_of_a_page_has_its_own(self, gallery: Gallery) -> None:
        """Though they are read together."""
        document = "{ jobs(first: 5) { nodes { id scenes(first: 1) { totalCount nodes { jobId } } } } }"
        for node in (await gallery.app.execute(document))["jobs"]["nodes"]:
            assert node["scenes"] == {"totalCount": 1, "nodes": [{"jobId": node["id"]}]}

    async def test_by_status(self, shared: App) -> None:
        """In play order still."""
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

    async def test_deleted_ones_on_request(self, shared: App) -> None:
        """At the place that they had, in pages as well."""
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
        """One page of a job's scenes."""
        return (await app.execute(SCENES, id=job_id, **arguments))["job"]["scenes"]


class TestEvents:
    """Job.events."""

    async def test_a_client_that_polls_reads_on_from_where_it_was(self, shared: App) -> None:
        """Oldest first, a hundred at once unless told otherwise."""
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
