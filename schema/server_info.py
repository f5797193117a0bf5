"""Who is asking, and whom."""

import strawberry

from coordinator.commands import rate_limit
from schema.context import Info
from schema.quota import Quota, as_shown


@strawberry.type
class Viewer:
    """On whose behalf the request is answered."""

    id: strawberry.ID
    name: str
    roles: list[str]

    @strawberry.field(description="How often you may regenerate a scene; a batch counts each scene.")
    @staticmethod
    async def regenerate_quota(info: Info) -> Quota:
        """As it stands now."""
        context = info.context
        return as_shown(await rate_limit.quota(context.store, context.viewer, context.coordinator.policy.regenerate))


@strawberry.type
class ServerInfo:
    """What the server tells about itself."""

    version: str
    mode: str = strawberry.field(description="embedded or distributed")
    providers: list[str]
    event_retention_seconds: int
    recovery_window_seconds: int
