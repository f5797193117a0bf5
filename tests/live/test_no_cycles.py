"""Requests, streams and connections are freed as soon as they end, without the garbage collector.

A cycle among the objects of a connection keeps all that it refers to until a collection, which stops everything else
for as long as it takes: a thousand websockets that had closed took 0.2 to 0.4 seconds.
"""

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, cast

import pytest
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from server.transports.protocols.http_protocol import HttpProtocol
from tests.support import jobs
from tests.support.client import Client
from tests.support.raw_http import raw_connection
from tests.support.server_app import App
from tests.support.waiting import eventually

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("database")]

OURS: Final = ("coordinator", "execution", "models", "resolvers", "schema", "server", "subscriptions", "uvicorn")
TIMES: Final = 3
EVENTS: Final = """subscription($job: ID!, $after: Int) {
    jobEvents(jobId: $job, after: $after) { __typename ... on JobSnapshot { version } }
}"""
PROGRESS: Final = "subscription($job: ID!) { jobProgress(jobId: $job) { percentage etaSeconds } }"
CHANGED: Final = "subscription { jobsUpdated { id version } }"
ONE: Final = "query($job: ID!) { job(id: $job) { version scenes { nodes { id takes { id } } } } }"
RETITLE: Final = """mutation($job: ID!, $title: String!) {
    updateJob(input: {jobId: $job, title: $title}) { job { version scenes { nodes { title } } } errors { code } }
}"""
NO_JOB: Final = "job_01h455vb4pex5vsknk084sn02q"

Visit = Callable[[App, str], Awaitable[None]]


def stream(document: str, *, ends_abruptly: bool = False, fails: bool = False, **variables: Any) -> Visit:
    """Return a visit that subscribes, reads one message and leaves."""

    async def visit(app: App, job: str) -> None:
        given = {"job": job, **variables} if "$job" in document else variables
        async with app.subscribe(document, **given) as subscribed:
            message = json.loads(await subscribed.socket.recv())
            assert message["type"] == ("error" if fails else "next"), message
            if ends_abruptly:
                subscribed.socket.transport.abort()

    return visit


def request(document: str, accept: str = "application/json", says: str = "data", **variables: Any) -> Visit:
    """Return a visit that sends one request on a connection of its own."""

    async def visit(app: App, job: str) -> None:
        client = Client(app.url)
        body = {"query": document, "variables": {"job": job, **variables} if "$job" in document else variables}
        async with client.http.stream("POST", "/graphql", json=body, headers={"accept": accept}) as answer:
            text = ""
            async for part in answer.aiter_text():
                text += part
                if says in text:
                    break
            assert says in text
        await client.close()

    return visit


async def rest(app: App, job: str) -> None:
    """Call REST."""
    client = Client(app.url)
    assert (await client.http.get(f"/api/v3/jobs/{job}/scenes")).status_code == 200
    await client.close()


async def malformed(app: App, _job: str) -> None:
    """Send what is not HTTP."""
    host, port = app.url.removeprefix("http://").split(":")
    async with raw_connection(host, int(port)) as connection:
        await connection.send(b"nothing of the kind\r\n\r\n")
        assert (await connection.response()).status == 400


async def malformed_message(app: App, _job: str) -> None:
    """Send a websocket message that closes the socket."""
    address = f"ws{app.url.removeprefix('http')}/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send("{")
        await socket.wait_closed()


async def several_operations(app: App, job: str) -> None:
    """Start operations on one socket, complete one of them, and leave."""
    async with app.subscribe(EVENTS, job=job) as subscribed:
        await subscribed.next()
        for id_, document in (("2", PROGRESS), ("3", ONE), ("4", "{ nothing }")):
            payload = {"query": document, "variables": {"job": job}}
            await subscribed.socket.send(json.dumps({"type": "subscribe", "id": id_, "payload": payload}))
            await subscribed.socket.recv()
        await subscribed.socket.send(json.dumps({"type": "complete", "id": "1"}))


VISITS: Final[dict[str, Visit]] = {
    "events": stream(EVENTS),
    "events, cut off": stream(EVENTS, ends_abruptly=True),
    "events after a version": stream(EVENTS, after=1),
    "progress": stream(PROGRESS),
    "jobs": stream(CHANGED),
    "events of no job": stream(EVENTS, fails=True, job=NO_JOB),
    "several operations": several_operations,
    "malformed message": malformed_message,
    "query": request(ONE),
    "change": request(RETITLE, title="A night at the coast"),
    "query of no job": request(ONE, says='{"job":null}', job=NO_JOB),
    "change of no job": request(RETITLE, says="NOT_FOUND", job=NO_JOB, title="Nothing"),
    "invalid document": request("{ nothing }", says="GRAPHQL_VALIDATION_FAILED"),
    "event stream": request(EVENTS, "text/event-stream", says="JobSnapshot"),
    "event stream of no job": request(EVENTS, "text/event-stream", says="NOT_FOUND", job=NO_JOB),
    "REST": rest,
    "malformed": malformed,
}


@pytest.fixture
def kept_garbage() -> Generator[None]:
    """The collector runs only when it is called, and keeps what it finds."""
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def server_state() -> ServerState:
    """Return what uvicorn keeps of the server: its open connections, and the tasks of requests and websockets."""
    # isinstance() would ask what a weak proxy stands for, which may be gone: ask the type itself.
    of_any = [cast("HttpProtocol", each) for each in gc.get_objects() if issubclass(type(each), HttpProtocol)]
    return next(each.server_state for each in of_any if each in each.server_state.connections)


@pytest.mark.parametrize("name", VISITS)
async def test_nothing_is_left_to_the_garbage_collector(app: App, name: str, kept_garbage: None) -> None:
    made = await jobs.make(app)
    await jobs.retitle(app, made.id, "A morning at the coast")
    visit = VISITS[name]
    await visit(app, made.id)  # what is made once for all remains
    await asyncio.sleep(0.05)
    gc.collect()
    state = server_state()
    before = len(state.connections)
    gc.set_debug(gc.DEBUG_SAVEALL)
    for _ in range(TIMES):
        await visit(app, made.id)
    await eventually(lambda: len(state.connections) <= before and not state.tasks)
    gc.collect()
    left = [type(each).__qualname__ for each in gc.garbage if type(each).__module__.partition(".")[0] in OURS]
    assert left == []
