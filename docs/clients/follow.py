"""The reconnecting client of the page on live streams, with gql."""

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
Say = Callable[[str], None]

FEED = (Path(__file__).parent / "feed.graphql").read_text("utf-8")
chance = random.SystemRandom()


# region page
async def follow(url: str, job_id: str, show: Show, say: Say) -> None:
    job, after = {}, None
    while True:
        try:
            async with Client(transport=transport(url)) as session:
                say("live")
                request = GraphQLRequest(FEED, variable_values={"jobId": job_id, "after": after})
                async for data in session.subscribe(request):
                    message = data["jobEvents"]
                    after = message.get("version", after)
                    job = fold(job, message)
                    show(job, message)
            return
        except (TransportError, TimeoutError) as error:
            if is_refusal(error):
                raise
        say("reconnecting")
        await asyncio.sleep(chance.uniform(0.25, 2))


# endregion


def transport(url: str) -> WebsocketsTransport:
    """One that notices a silent line, and takes the megabytes that a job of many scenes may be."""
    return WebsocketsTransport(url, ping_interval=5, pong_timeout=10, close_timeout=1, connect_args={"max_size": None})


def is_refusal(error: Exception) -> bool:
    """Whether the server will not have it, however often it is asked; what is the server's own fault may pass."""
    if not isinstance(error, TransportQueryError):
        return False
    codes = {each["extensions"]["code"] for each in error.errors or ()}
    return not codes <= {"INTERNAL", "UNAVAILABLE"}


def fold(job: Json, message: Json) -> Json:
    """As in JavaScript."""
    if message["__typename"] != "SceneProgress":
        return message.get("job") or message.get("current") or job
    if message["progress"]["version"] < job["version"]:
        return job
    news = {message["sceneId"]: {"percentage": message["percentage"]}}
    nodes = [scene | news.get(scene["id"], {}) for scene in job["scenes"]["nodes"]]
    return job | {"progress": message["progress"], "scenes": {"nodes": nodes}}
