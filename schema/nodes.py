"""What has an id, and where a page lies in a list: by Relay's object identification and cursor connections."""

from typing import Any

import strawberry

from models.domain import paging


@strawberry.interface(
    description=(
        "Ids are typed and sortable (TypeID: job_…, scene_…, take_…, webhook_…); the same string everywhere: "
        "GraphQL, REST, logs, webhooks."
    )
)
class Node:
    """Anything with an id."""

    id: strawberry.ID


@strawberry.type
class PageInfo:
    """Where a page lies in its list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


def page_info(page: paging.Page[Any], cursors: list[str]) -> PageInfo:
    """By the Relay cursor connection specification."""
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )
