"""Walk through the pages of a connection."""

from collections.abc import Callable
from typing import Any

Fetch = Callable[..., Any]


async def walk(fetch: Fetch, size: int, *, backward: bool = False, **fixed: Any) -> list[str]:
    """Return all ids, page by page; checks the cursors and page info of each page."""
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
