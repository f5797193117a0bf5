"""Workers that lease takes. Values of Worker are rows of `models.db.lease_rows`."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from models.db import clock
from models.db.lease_rows import WorkerRow
from models.domain import leases
from schema.context import Info
from schema.enums import WorkerHealth
from schema.lease_views import leases_of
from schema.nodes import Node
from schema.scalars import JSONObject

if TYPE_CHECKING:
    from schema.leases import TakeLease


@strawberry.type(
    description=(
        'Somebody\'s machine that renders takes of jobs whose provider is "leased". One for each principal and name.'
    )
)
class Worker(Node):
    """Read from `WorkerRow`."""

    name: str
    labels: JSONObject = strawberry.field(
        description="What takes can ask for: each label in metadata.worker of the scene or of its job must be equal."
    )
    models: list[str] = strawberry.field(description="Names of the models that it has.")
    started_at: datetime = strawberry.field(description="When it was first seen, or again after it was GONE.")
    last_seen_at: datetime = strawberry.field(description="Up to 5 seconds old.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, WorkerRow)

    @strawberry.field(description="What it does now. GONE: not heard of for 90 seconds.")
    @staticmethod
    async def health(root: strawberry.Parent[WorkerRow], info: Info) -> WorkerHealth:
        held = await info.context.loaders.leases_of_worker.load(root.id) or []
        return leases.health(
            last_seen_at=root.last_seen_at,
            leases=len(held),
            unhealthy_reason=root.unhealthy_reason,
            now=clock.now(),
        )

    @strawberry.field(description="Why it is UNHEALTHY, in its own words.")
    @staticmethod
    def reason(root: strawberry.Parent[WorkerRow]) -> str | None:
        return root.unhealthy_reason

    @strawberry.field(description="The leases that it holds on takes which the caller may see.")
    @staticmethod
    async def leases(
        root: strawberry.Parent[WorkerRow], info: Info
    ) -> list[Annotated["TakeLease", strawberry.lazy("schema.leases")]]:
        held = await info.context.loaders.leases_of_worker.load(root.id) or []
        return cast("list[TakeLease]", await leases_of(info.context, root, held))
