"""Viewer and ServerInfo: the caller and the server."""

from typing import cast

import strawberry

from coordinator.commands import rate_limit
from models.domain import paging
from models.reads import tokens
from schema.context import Info
from schema.enums import Grant
from schema.quota import Quota, as_shown
from schema.tokens import AccessToken


@strawberry.type(description="The authenticated principal of the request.")
class Viewer:
    """Not `models.domain.access.Viewer`, from which it is made."""

    id: strawberry.ID
    name: str
    roles: list[str]

    @strawberry.field(description="What the caller may do; less than everything only with an access token.")
    @staticmethod
    def grants(info: Info) -> list[Grant]:
        return [grant for grant in Grant if info.context.viewer.holds(grant)]

    @strawberry.field(description="The access tokens that the caller has made, newest first; none for an access token.")
    @staticmethod
    async def tokens(info: Info, first: int = 20) -> list[AccessToken]:
        paging.window(first=first, after=None, last=None, before=None)
        context = info.context
        async with context.snapshot.read() as connection:
            return cast("list[AccessToken]", await tokens.of_owner(connection, context.viewer, first))

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
