"""The reconnecting client of docs/live.md, with gql."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

Json = dict[str, Any]
Show = Callable[[Json, Json], None]
OnState = Callable[[str], None]

FEED = (Path(__file__).parent / "feed.graphql").read_text("utf-8")
rng = random.SystemRandom()


# region page
async def follow(url: str, job_id: str, show: Show, on_state: OnState) -> None:
    job, after = {}, None
    while True:
        try:
            async with Client(transport=transport(url)) as session:
                on_state("live")
                request = GraphQLRequest(FEED, variable_values={"jobId": job_id, "after": after})
                async for data in session.subscribe(request):
                    message = data["jobEvents"]
                    after = message.get("version", after)
                    job = fold(job, message)
                    show(job, message)
            return
        except (TransportError, TimeoutError) as error:
            if is_permanent(error):
                raise
        on_state("reconnecting")
        await asyncio.sleep(rng.uniform(0.25, 2))


# endregion


def transport(url: str) -> WebsocketsTransport:
    """A transport that detects a dead connection by ping, and accepts messages of any size."""
    return WebsocketsTransport(url, ping_interval=5, pong_timeout=10, close_timeout=1, connect_args={"max_size": None})


def is_permanent(error: Exception) -> bool:
    """Whether a retry cannot succeed. Server errors, rate limits and lost connections are transient."""
    if not isinstance(error, TransportQueryError):
        return False
    codes = {each["extensions"]["code"] for each in error.errors or ()}
    return not codes <= {"INTERNAL", "UNAVAILABLE", "RATE_LIMITED"}


def fold(job: Json, message: Json) -> Json:
    """Return the job after a message, as in graphql-ws.js."""
    if message["__typename"] != "SceneProgress":
        return message["job"] or job
    if message["progress"]["version"] < job["version"]:
        return job
    changed = message["scene"]
    nodes = [scene | changed if scene["id"] == changed["id"] else scene for scene in job["scenes"]["nodes"]]
    return job | {"progress": message["progress"], "scenes": {"nodes": nodes}}
