"""Viewer and ServerInfo: the caller and the server."""

import strawberry

from coordinator.commands import rate_limit
from schema.context import Info
from schema.quota import Quota, as_shown


@strawberry.type(description="The authenticated principal of the request.")
class Viewer:
    """Not `models.domain.access.Viewer`, from which it is made."""

    id: strawberry.ID
    name: str
    roles: list[str]

    @strawberry.field(description="The quota of regenerates; a batch uses one per scene.")
    @staticmethod
    async def regenerate_quota(info: Info) -> Quota:
        context = info.context
        rate = context.coordinator.policy.regenerate
        async with context.snapshot.read() as connection:
            return as_shown(await rate_limit.quota(connection, context.viewer, rate))


@strawberry.type(description="Version and configuration of the server.")
class ServerInfo:
    """Made from `schema.context.ServerFacts`."""

    version: str
    mode: str = strawberry.field(
        description='"embedded" (one process) or "distributed" (several processes on Postgres).'
    )
    providers: list[str] = strawberry.field(description="The names that createJob accepts as provider.")
    event_retention_seconds: int = strawberry.field(
        description="How long events stay in a job's log; jobEvents after an older one starts with a snapshot."
    )
    recovery_window_seconds: int = strawberry.field(description="How long a deleted job or scene can be restored.")
