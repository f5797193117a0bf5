"""PageInfo: whether there are items in front of a page and behind it, whatever the cursors and the direction."""

from collections.abc import AsyncGenerator, Sequence
from itertools import product
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.support.client import Json
from tests.support.factories import a_job, accepted
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

ITEMS = 5
PAGE = "nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage }"
JOBS = f"""
query($first: Int, $after: String, $last: Int, $before: String, $orderBy: JobOrder) {{
  page: jobs(
    first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy, filter: {{search: "page info"}}
  ) {{ {PAGE} }}
}}
"""
SCENES = f"""
query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {{
  job(id: $id) {{ page: scenes(first: $first, after: $after, last: $last, before: $before) {{ {PAGE} }} }}
}}
"""


class Window(NamedTuple):
    """The arguments of a page; `after` and `before` are places in the list."""

    after: int | None
    before: int | None
    first: int | None
    last: int | None

    def expected(self, ids: Sequence[str]) -> Json:
        """Return the page of a list."""
        low = -1 if self.after is None else self.after
        high = len(ids) if self.before is None else self.before
        places = [place for place in range(len(ids)) if low < place < high]
        kept = places[: self.first] if self.last is None else places[-self.last :]
        return {
            "nodes": [{"id": ids[place]} for place in kept],
            "pageInfo": {
                "hasNextPage": kept != places[len(places) - len(kept) :] or high < len(ids),
                "hasPreviousPage": kept != places[: len(kept)] or low >= 0,
            },
        }


WINDOWS = [
    Window(after, before, first, last)
    for after, before in product((None, 0, 2, 4), repeat=2)
    for first, last in ((1, None), (2, None), (ITEMS, None), (None, 1), (None, 2), (None, ITEMS))
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def job_ids(shared: App) -> AsyncGenerator[list[str]]:
    """Five jobs, the newest first; the third and the fourth have the same title."""
    made = [await a_job(shared, title=f"Page info {min(number, 3)}") for number in range(ITEMS)]
    yield [job.id for job in reversed(made)]


def variables(window: Window, cursors: Sequence[str]) -> Json:
    """Return the arguments of a page."""
    after, before, first, last = window
    return {
        "first": first,
        "last": last,
        "after": None if after is None else cursors[after],
        "before": None if before is None else cursors[before],
    }


async def check_windows(fetch: Any, ids: Sequence[str]) -> None:
    """Compare the page of every window with the whole list."""
    whole = await fetch(first=ITEMS)
    assert [node["id"] for node in whole["nodes"]] == list(ids)
    cursors = [edge["cursor"] for edge in whole["edges"]]
    for window in WINDOWS:
        page = await fetch(**variables(window, cursors))
        del page["edges"]
        assert page == window.expected(ids), window


@pytest.mark.parametrize("order", [("CREATED_AT", "DESC"), ("TITLE", "ASC")], ids=["newest_first", "by_title"])
async def test_job_page_reports_what_is_in_front_of_it_and_behind_it(
    shared: App, job_ids: list[str], order: tuple[str, str]
) -> None:
    """For any cursors, forwards and backwards, in ascending and descending order."""
    ids = job_ids if order[1] == "DESC" else job_ids[::-1]

    async def fetch(**arguments: Any) -> Json:
        order_by = {"field": order[0], "direction": order[1]}
        return (await shared.execute(JOBS, orderBy=order_by, **arguments))["page"]

    await check_windows(fetch, ids)


async def test_scene_page_reports_what_is_in_front_of_it_and_behind_it(shared: App) -> None:
    """For any cursors, forwards and backwards."""
    made = await a_job(shared, *["A kite"] * ITEMS)

    async def fetch(**arguments: Any) -> Json:
        return (await shared.execute(SCENES, id=made.id, **arguments))["job"]["page"]

    await check_windows(fetch, made.scenes)


async def test_page_before_a_deleted_last_scene_has_no_next_page(shared: App) -> None:
    """A `before` cursor does not imply that its item still exists."""
    made = await a_job(shared, *["A kite"] * 3)
    whole = (await shared.execute(SCENES, id=made.id))["job"]["page"]
    cursor = whole["edges"][-1]["cursor"]
    await accepted(shared, "deleteScene", sceneId=made.scenes[-1])
    page = (await shared.execute(SCENES, id=made.id, first=2, before=cursor))["job"]["page"]
    assert [node["id"] for node in page["nodes"]] == made.scenes[:2]
    assert page["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": False}
