"""The routes of REST v3 in an application, which are imported at the first request below their prefix."""

import asyncio
import importlib

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from server.rest.names import PREFIX


class RestRoutes(BaseRoute):
    """Stands among the routes of an application for those of REST v3, and is replaced by them once they are imported.

    At the start they would take 2.3 MB and 30 ms of CPU, and many servers get only requests of GraphQL.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path below the prefix: which of them exist is known once the routes are imported."""
        is_below = scope["type"] == "http" and str(scope["path"]).startswith(f"{PREFIX}/")
        return Match.FULL if is_below else Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Import the routes and find that of the request."""
        await self.load()
        await self._router(scope, receive, send)

    async def load(self) -> None:
        """Import the routes and take their place. Idempotent."""
        # On a thread, so that other requests do not wait for the import.
        imported = await asyncio.to_thread(_imported)
        routes = self._router.routes
        if self in routes:
            place = routes.index(self)
            routes[place : place + 1] = imported


def _imported() -> list[BaseRoute]:
    scenes = importlib.import_module("server.rest.router").SCENE_ROUTES
    leases = importlib.import_module("server.rest.leases").LEASE_ROUTES
    return [*scenes.routes, *leases.routes]
