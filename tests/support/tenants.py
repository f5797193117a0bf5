"""Two users of a production server, and requests of each about the objects of the other."""

import json
import re
from typing import NamedTuple

import httpx

from tests.support import jobs, webhook_calls
from tests.support.asset_files import an_asset
from tests.support.client import Client, Json
from tests.support.factories import (
    NO_ASSET,
    NO_DELIVERY,
    NO_JOB,
    NO_SCENE,
    NO_TAKE,
    NO_TOKEN,
    NO_WEBHOOK,
    NO_WORKER,
    a_job,
    accepted,
)
from tests.support.id_matrix import DONE, ID, JOB, MATRIX, MORE, SCENE, TAKE, Row
from tests.support.leasing import claim
from tests.support.tokens import ProductionServer

MISSING = {
    "job": NO_JOB,
    "scene": NO_SCENE,
    "take": NO_TAKE,
    "asset": NO_ASSET,
    "webhook": NO_WEBHOOK,
    "doomed": NO_WEBHOOK,
    "delivery": NO_DELIVERY,
    "worker": NO_WORKER,
    "token": NO_TOKEN,
    "owner": "unknown",
}


class Person(NamedTuple):
    """A user with a job, its scene, the take of that scene, and two webhooks; a test deletes the webhook `doomed`."""

    client: Client
    ids: dict[str, str]


class Tenants(NamedTuple):
    """The owner of objects, and a stranger who must not see them."""

    server: ProductionServer
    owner: Person
    stranger: Person


async def a_person(server: ProductionServer, name: str) -> Person:
    """Make a user with one object of each kind."""
    client = server.user(name)
    made = await a_job(client, "One", "Two", "Three", title=f"The job of {name}")
    scene, deleted, done = made.scenes
    await accepted(client, "cancelScene", sceneId=done)
    await accepted(client, "deleteScene", "deletedSceneId", sceneId=deleted)
    take = (await jobs.job(client, made.id, "scenes { nodes { currentTake { id } } }"))["scenes"]["nodes"][0]
    ids = {"job": made.id, "scene": scene, "take": take["currentTake"]["id"], "deleted": deleted, "owner": name}
    webhook, doomed = [
        await webhook_calls.hook(client, "http://127.0.0.1:9/", "JOB_DELETED", jobId=made.id) for _ in "12"
    ]
    sample = await webhook_calls.mutate(client, "testWebhook", webhook.id, "delivery { id }")
    ids |= {"webhook": webhook.id, "doomed": doomed.id, "delivery": sample["delivery"]["id"]}
    ids["asset"] = (await an_asset(client)).id
    await claim(client, f"machine of {name}")
    ((worker,),) = (await client.execute("{ workers { id } }")).values()
    ids["worker"] = worker["id"]
    ids["done"] = done
    issued = await client.mutate("createToken", "token { id } errors { message }", jobIds=[made.id], grants=["READ"])
    ids["token"] = issued["token"]["id"]
    return Person(client, ids)


# For one query that reads everything that the schema can return.
RAISED_LIMITS: Json = {
    "limit_cost": 10**9,
    "limit_root_fields": 20,
    "limit_cost_a_minute": 10**9,
    "limit_depth": 50,
    "limit_tokens": 10_000,
    "limit_characters": 1_000_000,
}


def request_body(row: Row, caller: Person, target: str) -> dict[str, object]:
    """Return the body of a request about an object."""
    text = json.dumps({"query": row.document, "variables": row.variables})
    for name, value in (
        (ID, target),
        (JOB, caller.ids["job"]),
        (SCENE, caller.ids["scene"]),
        (TAKE, caller.ids["take"]),
        (DONE, caller.ids["done"]),
    ):
        text = text.replace(json.dumps(name), json.dumps(value))
    return json.loads(text)


async def answer(row: Row, caller: Person, target: str) -> tuple[int, bytes, dict[str, str]]:
    """Return status, body and headers of the response, without the id itself."""
    body = request_body(row, caller, target)
    kind = "text/event-stream" if row.document.startswith("subscription") else "application/json"
    response = await caller.client.http.post("/graphql", json=body, headers={"accept": kind})
    return comparable(response, target)


def comparable(response: httpx.Response, *ids: str) -> tuple[int, bytes, dict[str, str]]:
    """Return the part of a response that must be equal for foreign and for missing objects."""
    # The number of keep-alives depends on how busy the machine is.
    content = KEEP_ALIVE.sub(b"", response.content)
    for each in ids:
        content = content.replace(each.encode(), b"<id>")
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "x-request-id")}
    if ids and all(len(each) == len(MISSING.get(each.partition("_")[0], each)) for each in ids):
        return response.status_code, content, headers
    headers.pop("content-length", None)
    return response.status_code, content, headers


KEEP_ALIVE = re.compile(rb"^:\n\n", re.MULTILINE)
# A dashboard without jobs waits for the first one; see below.
ENDLESS = {"Subscription.jobsUpdated(filter.ownerId)"}
ROWS = {name: row for name, row in (MATRIX | MORE).items() if name not in ENDLESS}
