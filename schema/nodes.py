"""Node and PageInfo, from Relay's object identification and cursor connections specifications."""

from typing import Any, ClassVar

import strawberry

from execution.versions import VersionedColumns
from models.domain import paging


@strawberry.interface(
    description=(
        "An object with a globally unique id. Ids are typed and sortable (TypeID: job_…, scene_…, take_…, webhook_…, "
        "delivery_…, asset_…, token_…) and the same in GraphQL, REST, logs and webhooks."
    )
)
class Node:
    """Query.node returns any of them by its id."""

    id: strawberry.ID


@strawberry.type(description="The position of a page in its list.")
class PageInfo:
    """Made by `page_info`."""

    versioned_columns: ClassVar = VersionedColumns()

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


def page_info(page: paging.Page[Any], cursors: list[str]) -> PageInfo:
    """Return the PageInfo of a page whose items have these cursors."""
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )
