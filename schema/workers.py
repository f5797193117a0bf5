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
        'A machine outside this server that renders takes of jobs whose provider is "leased". Identified by its '
        "principal and name."
    )
)
class Worker(Node):
    """Read from `WorkerRow`."""

    name: str
    labels: JSONObject = strawberry.field(
        description=(
            "Labels that takes can require: the worker must have every label in metadata.worker of the scene or of its "
            "job, with the same value."
        )
    )
    models: list[str] = strawberry.field(description="Names of the models that the worker has.")
    started_at: datetime = strawberry.field(
        description="When the worker first called, or called again after it was GONE."
    )
    last_seen_at: datetime = strawberry.field(description="When the worker last called; accurate to 5 seconds.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, WorkerRow)

    @strawberry.field(description="The current state of the worker.")
    @staticmethod
    async def health(root: strawberry.Parent[WorkerRow], info: Info) -> WorkerHealth:
        held = await info.context.loaders.leases_of_worker.load(root.id) or []
        return leases.health(
            last_seen_at=root.last_seen_at,
            leases=len(held),
            unhealthy_reason=root.unhealthy_reason,
            now=clock.now(),
        )

    @strawberry.field(description="Why the worker is UNHEALTHY, as it reports.")
    @staticmethod
    def reason(root: strawberry.Parent[WorkerRow]) -> str | None:
        return root.unhealthy_reason

    @strawberry.field(description="The worker's leases on takes that are visible to the caller.")
    @staticmethod
    async def leases(
        root: strawberry.Parent[WorkerRow], info: Info
    ) -> list[Annotated["TakeLease", strawberry.lazy("schema.leases")]]:
        held = await info.context.loaders.leases_of_worker.load(root.id) or []
        return cast("list[TakeLease]", await leases_of(info.context, root, held))
