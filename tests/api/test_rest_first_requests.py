"""The first requests of REST v3 to a server, for which its routes are imported."""

import asyncio
from pathlib import Path

import httpx
from fastapi import APIRouter
from starlette.routing import Match

from server.rest.leases import LEASE_ROUTES
from server.rest.rest_routes import RestRoutes
from server.rest.router import SCENE_ROUTES
from tests.support.factories import NO_JOB, a_job
from tests.support.rest_calls import PREFIX
from tests.support.server_app import running


async def test_first_requests_are_answered_like_later_ones(tmp_path: Path) -> None:
    """Those that arrive together too: of known paths and methods, and of others."""
    async with running(tmp_path) as app:
        scenes = f"{PREFIX}/jobs/{(await a_job(app, 'A kite')).id}/scenes"
        requests = [
            *(("GET", scenes), ("HEAD", scenes), ("PATCH", scenes)),
            *(("GET", f"{PREFIX}/jobs/{NO_JOB}/scenes"), ("GET", f"{PREFIX}/nothing"), ("GET", f"{PREFIX}/")),
        ]
        first = await asyncio.gather(*(app.http.request(*each) for each in requests))
        later = [await app.http.request(*each) for each in requests]
    assert [answer.status_code for answer in first] == [200, 200, 405, 404, 404, 404]
    assert [_compared(answer) for answer in first] == [_compared(answer) for answer in later]


async def test_routes_take_the_place_of_their_stand_in_once() -> None:
    """Also when two requests are the first ones."""
    router = APIRouter()
    rest = RestRoutes(router)
    router.add_api_route("/before", lambda: None)
    router.routes.append(rest)
    router.add_api_route("/after", lambda: None)
    before, _, after = router.routes
    await asyncio.gather(rest.load(), rest.load())
    assert router.routes == [before, *SCENE_ROUTES.routes, *LEASE_ROUTES.routes, after]


def test_stand_in_matches_requests_below_the_prefix_alone() -> None:
    """No websocket, and no other path."""
    rest = RestRoutes(APIRouter())
    found = {
        (kind, path): rest.matches({"type": kind, "path": path})[0]
        for kind in ("http", "websocket")
        for path in (f"{PREFIX}/jobs", PREFIX, f"{PREFIX}1/jobs", "/graphql")
    }
    assert [place for place, match in found.items() if match is Match.FULL] == [("http", f"{PREFIX}/jobs")]
    assert set(found.values()) == {Match.FULL, Match.NONE}


def _compared(answer: httpx.Response) -> tuple[int, str | None, bytes]:
    return answer.status_code, answer.headers.get("allow"), answer.content
