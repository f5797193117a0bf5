"""Who is asking, and whom."""

import strawberry


@strawberry.type
class Viewer:
    """On whose behalf the request is answered."""

    id: strawberry.ID
    name: str
    roles: list[str]


@strawberry.type
class ServerInfo:
    """What the server tells about itself."""

    version: str
    mode: str = strawberry.field(description="embedded or distributed")
    providers: list[str]
    event_retention_seconds: int
    recovery_window_seconds: int
