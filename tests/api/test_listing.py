"""Pages of jobs by the Relay cursor connection specification, with filters and orders."""

from collections.abc import AsyncGenerator
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
from tests.support.pages import walk
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
ORDERS = [(field, direction) for field in ("CREATED_AT", "UPDATED_AT", "TITLE") for direction in ("ASC", "DESC")]


class Gallery:
    """Many jobs, several of which share each title and each instant; `rows` holds their sort keys."""

    def __init__(self, app: App, rows: list[Json]) -> None:
        self.app = app
        self.rows = rows

    def ids(self, field: str = "CREATED_AT", direction: str = "DESC") -> list[str]:
        """Return all ids in an order; the id breaks ties, in the same direction."""
        ordered = sorted(self.rows, key=lambda row: (row[field], row["id"]), reverse=direction == "DESC")
        return [row["id"] for row in ordered]

    async def page(self, **arguments: Any) -> Json:
        """Return one page."""
        return (await self.app.execute(PAGE, **arguments))["jobs"]

    async def found(self, **conditions: Any) -> list[str]:
        """Return the titles that match a filter, in order; their count must match."""
        document = """query($filter: JobFilter) {
            jobs(filter: $filter, first: 100, orderBy: {field: TITLE, direction: ASC}) { totalCount nodes { title } }
        }"""
        answer = (await self.app.execute(document, filter=conditions))["jobs"]
        assert answer["totalCount"] == len(answer["nodes"])
        return [node["title"] for node in answer["nodes"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gallery(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Gallery]:
    """Thirty jobs created at five instants, updated at four, with ten titles."""
    rng = jobs.seeded("gallery")
    async with running(tmp_path_factory.mktemp("gallery")) as app:
        rows: list[Json] = []
        for number in range(JOBS):
            title = TITLES[number % len(TITLES)]
            made = await a_job(app, "A kite", title=title)
            created = EPOCH + timedelta(microseconds=rng.randrange(5))
            updated = EPOCH + timedelta(days=rng.randrange(4))
            rows.append({"id": made.id, "TITLE": title, "CREATED_AT": created, "UPDATED_AT": updated})
        async with app.container.store.write() as connection:
            for row in rows:
                instants = {"created_at": row["CREATED_AT"], "updated_at": row["UPDATED_AT"]}
                await connection.execute(sa.update(JOB).where(JOB.c.id == row["id"]).values(instants))
        yield Gallery(app, rows)


class TestJobs:
    """Query.jobs."""

    @pytest.mark.parametrize(("field", "direction"), ORDERS)
    async def test_job_pages_forwards_and_backwards_have_the_same_order(
        self, gallery: Gallery, field: str, direction: str
    ) -> None:
        """In every order and any page size, over equal titles and equal instants: each job once."""
        order = {"field": field, "direction": direction}
        expected = gallery.ids(field, direction)
        for size in (3, JOBS):
            assert await walk(gallery.page, size, orderBy=order) == expected
            assert await walk(gallery.page, size, backward=True, orderBy=order) == expected

    async def test_first_page_of_jobs_has_the_newest_twenty(self, gallery: Gallery) -> None:
        """The page info reports the rest."""
        page = await gallery.page()
        assert [node["id"] for node in page["nodes"]] == gallery.ids()[:20]
        assert page["totalCount"] == JOBS
        assert page["pageInfo"] == {
            "hasNextPage": True,
            "hasPreviousPage": False,
            "startCursor": page["edges"][0]["cursor"],
            "endCursor": page["edges"][-1]["cursor"],
        }

    async def test_null_arguments_of_a_job_page_are_like_omitted_ones(self, gallery: Gallery) -> None:
        """For clients that send every variable."""
        page = await gallery.page(first=None, after=None, last=None, before=None, filter=None, orderBy=None)
        assert page == await gallery.page()

    async def test_job_page_between_two_cursors(self, gallery: Gallery) -> None:
        """From either side."""
        whole = await gallery.page(first=JOBS)
        cursors, ids = [edge["cursor"] for edge in whole["edges"]], gallery.ids()
        between = {"after": cursors[3], "before": cursors[9]}
        from_the_start = await gallery.page(first=3, **between)
        assert [node["id"] for node in from_the_start["nodes"]] == ids[4:7]
        from_the_end = await gallery.page(last=3, **between)
        assert [node["id"] for node in from_the_end["nodes"]] == ids[6:9]

    async def test_job_page_after_the_last_cursor_is_empty(self, gallery: Gallery) -> None:
        """It has no cursors."""
        whole = await gallery.page(first=JOBS)
        page = await gallery.page(after=whole["pageInfo"]["endCursor"])
        assert page == {
            "totalCount": JOBS,
            "edges": [],
            "nodes": [],
            "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
        }

    async def test_new_jobs_do_not_shift_the_pages(self, shared: App) -> None:
        """A job created between two pages neither appears in them nor repeats another."""
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
    async def test_job_search_matches_literal_text(self, gallery: Gallery, search: str, found: list[str]) -> None:
        """Case-insensitive in any alphabet; SQL wildcards are ordinary characters."""
        assert await gallery.found(search=search) == sorted(found * 3)

    async def test_empty_job_search_matches_every_job(self, gallery: Gallery) -> None:
        """Like a search field before any input."""
        assert await gallery.found(search="") == sorted(TITLES * 3)

    @pytest.mark.parametrize("days", [0, 1, 2, 3, 4])
    async def test_job_filter_by_update_instant(self, gallery: Gallery, days: int) -> None:
        """From that instant on, inclusive, in any time zone."""
        since = EPOCH + timedelta(days=days)
        expected = sorted(row["TITLE"] for row in gallery.rows if row["UPDATED_AT"] >= since)
        assert await gallery.found(updatedSince=since.isoformat()) == expected
        elsewhere = since.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert await gallery.found(updatedSince=elsewhere.isoformat()) == expected

    async def test_job_filter_by_owner(self, gallery: Gallery) -> None:
        """An owner without jobs has an empty list."""
        assert len(await gallery.found(ownerId="local")) == JOBS
        assert await gallery.found(ownerId="another owner") == []
        assert await gallery.found(ownerId=NO_JOB) == []
        assert await gallery.found(ownerId="") == []

    async def test_job_filter_by_status(self, shared: App) -> None:
        """Any of the given statuses; an empty list matches nothing."""
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

    async def test_job_filters_are_combined(self, gallery: Gallery) -> None:
        """A job must match all of them."""
        since = EPOCH + timedelta(days=2)
        expected = sorted(row["TITLE"] for row in gallery.rows if row["UPDATED_AT"] >= since and "100" in row["TITLE"])
        conditions = {"search": "100", "updatedSince": since.isoformat(), "status": ["PENDING"], "ownerId": "local"}
        assert await gallery.found(**conditions) == expected

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize(("first", "second"), list(pairwise(ORDERS[::2] + ORDERS[:1])))
    async def test_job_cursor_of_another_order_is_refused(
        self, gallery: Gallery, first: tuple[str, str], second: tuple[str, str]
    ) -> None:
        """It would not mark a position."""
        page = await gallery.page(first=1, orderBy={"field": first[0]})
        answer = await gallery.app.result(PAGE, after=page["pageInfo"]["endCursor"], orderBy={"field": second[0]})
        assert answer["errors"][0]["extensions"] == {"code": "VALIDATION_FAILED", "field": ["after"]}

    async def test_each_job_of_a_page_has_its_own_scenes(self, gallery: Gallery) -> None:
        """They are loaded together."""
        document = "{ jobs(first: 5) { nodes { id scenes(first: 1) { totalCount nodes { jobId } } } } }"
        for node in (await gallery.app.execute(document))["jobs"]["nodes"]:
            assert node["scenes"] == {"totalCount": 1, "nodes": [{"jobId": node["id"]}]}
