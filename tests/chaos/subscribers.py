"""Subscribers: each follows one job over changing transports, disconnects and resumes, up to the last version."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

from tests.chaos.api import Api
from tests.chaos.client_view import FEED, ClientView, document
from tests.chaos.connection import Connection, Leave, StreamEnded
from tests.chaos.polling import PollingConnection
from tests.chaos.shared_state import SharedState, Topic
from tests.chaos.sse import SseConnection
from tests.chaos.websocket import WebSocketConnection
from tests.support.violations import Kind
from tests.support.waiting import eventually

Json = dict[str, Any]

TRANSPORTS = ("websocket", "sse", "polling")
WEIGHTS = (5, 4, 2)
CHECK_SECONDS = 0.05
# How often in a row a message must be late: after a pause of this process, messages that arrived are not read at once.
LATE_CHECKS = 5
RECONNECT_SECONDS = 0.5
# A subscriber stalls until this many versions were made, so that it lags; less long than the server allows.
STALL_VERSIONS = 30
STALL_SECONDS = 10.0
# Longer than any message takes on a busy machine.
STUCK_SECONDS = 60.0
LINGER_SECONDS = 0.3
DISCONNECTED = (OSError, EOFError, StreamEnded)


class Visit(NamedTuple):
    """A connection to be made. `known`: `after` is a version of the job. `stalls`: it is not read for a while."""

    transport: str
    after: int | None
    known: bool
    stalls: bool = False


class Subscriber:
    """Follows one job."""

    def __init__(self, number: int, topic: Topic, url: str, shared: SharedState) -> None:
        self.topic = topic
        self.view = ClientView(f"subscriber {number} of {topic.job_id}")
        self._url = url
        self._shared = shared
        self._random = shared.random_source(f"subscriber {number} {topic.provider}")
        self._api = Api(url, self._random)
        # When it connected, or received the last event.
        self._waiting_since = 0.0

    async def follow(self, finished: asyncio.Event) -> None:
        """Connect again and again until no more changes come."""
        while not finished.is_set():
            visit = self._choose_visit()
            await self._connect(visit, lambda connection, visit=visit: self._read_some(connection, visit, finished))

    async def read_to_last(self, version: int) -> None:
        """Receive every version up to the last one, and nothing after it."""
        while self.view.version != version:
            visit = Visit(self._random.choice(TRANSPORTS), self.view.version, known=True)
            await self._connect(visit, lambda connection, visit=visit: self._read_to(version, connection, visit))
        await self._api.close()

    def _choose_visit(self) -> Visit:
        """Usually resume at the last version; sometimes start again, or name an old or a never used version."""
        seen, random_source = self.view.version, self._random
        (transport,) = random_source.choices(TRANSPORTS, WEIGHTS)
        if seen is None or random_source.random() < 0.07:
            return Visit(transport, None, known=False)
        if transport != "polling":
            if self.topic.hot and random_source.random() < 0.25:
                after = random_source.randint(0, seen) if random_source.random() < 0.4 else seen
                return Visit(transport, after, known=True, stalls=True)
            if random_source.random() < 0.04:
                # A stream answers such a version with a snapshot, a query with an empty page.
                return Visit(transport, seen + 1_000_000, known=False)
        return Visit(transport, random_source.randint(0, seen) if random_source.random() < 0.06 else seen, known=True)

    async def _connect(self, visit: Visit, read: Callable[[Connection], Awaitable[None]]) -> None:
        """Connect, read, and leave; the connection may be lost, but only in an outage."""
        outages, seen = self._shared.outages, self.view.version
        self.view.resume(visit.after, visit.transport, known=visit.known)
        connection: Connection | None = None
        try:
            connection = await self._open(visit)
            self._shared.amounts["connections"] += 1
            self._waiting_since = monotonic()
            await read(connection)
            await connection.leave(self._random.choice(list(Leave)))
        except DISCONNECTED as error:
            self._shared.amounts["connections refused or lost"] += 1
            await asyncio.sleep(RECONNECT_SECONDS)
            if self._shared.outages == outages and not self._shared.down:
                raise self.view.violation(Kind.DROPPED, repr(error)) from error
        finally:
            if connection is not None:
                connection.abort()
            if not visit.known and self.view.version == visit.after:
                # Nothing was received: the view is as it was before.
                self.view.resume(seen, "back", known=True)

    async def _open(self, visit: Visit) -> Connection:
        if visit.transport == "polling":
            return PollingConnection(self._api, self.topic.job_id, visit.after, self._random)
        kind = WebSocketConnection if visit.transport == "websocket" else SseConnection
        variables: Json = {"jobId": self.topic.job_id, "after": visit.after}
        return await kind.open(self._url, document(FEED, padded=visit.stalls), variables, narrow=visit.stalls)

    async def _read_some(self, connection: Connection, visit: Visit, finished: asyncio.Event) -> None:
        """Read for a while; a stalling subscriber pauses after the first message."""
        seconds = self._random.uniform(0.1, 3.0) if self.topic.hot else self._random.uniform(5.0, 12.0)
        if visit.stalls:
            await self._read_one(connection, visit, _after(seconds))
            await self._stall()
        is_over = _after(seconds)
        while await self._read_one(connection, visit, lambda: finished.is_set() or is_over()):
            pass

    async def _read_to(self, version: int, connection: Connection, visit: Visit) -> None:
        while self.view.version != version:
            if not await self._read_one(connection, visit, _after(STUCK_SECONDS)):
                newest = f"{self.view.version} after {STUCK_SECONDS} s, and {version} is the last version"
                raise self.view.violation(Kind.STUCK, newest)
        await self._read_one(connection, visit, _after(LINGER_SECONDS))

    async def _read_one(self, connection: Connection, visit: Visit, is_over: Callable[[], bool]) -> bool:
        """Fold the next message; return False when none came in time."""
        coming = asyncio.ensure_future(connection.message())
        late_checks = 0
        try:
            while not coming.done():
                await asyncio.wait([coming], timeout=CHECK_SECONDS)
                late_checks = late_checks + 1 if self._is_late(coming) else 0
                if late_checks == LATE_CHECKS:
                    newest = self._shared.newest(self.topic.job_id)
                    raise self.view.violation(Kind.LATE, f"{newest} was acknowledged and not received")
                if is_over() and not coming.done():
                    return False
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        message = coming.result()
        self._count(message, visit.transport)
        self.view.fold(message)
        return True

    def _is_late(self, coming: "asyncio.Future[Json]") -> bool:
        version = self.view.version
        if coming.done() or version is None:
            return False
        return self._shared.is_late(self.topic.job_id, version, self._waiting_since)

    async def _stall(self) -> None:
        """Read nothing until more versions were made than the server buffers."""
        self._shared.amounts["stalls"] += 1
        enough = self._shared.newest(self.topic.job_id) + STALL_VERSIONS
        with suppress(TimeoutError):
            await eventually(lambda: self._shared.newest(self.topic.job_id) >= enough, STALL_SECONDS)
        self._waiting_since = monotonic()

    def _count(self, message: Json, transport: str) -> None:
        self._shared.amounts[f"messages over {transport}"] += 1
        match message["kind"]:
            case "JobSnapshot":
                self._waiting_since = monotonic()
                self._shared.amounts[f"snapshots {message['reason']}"] += 1
            case "SceneProgress":
                self._shared.amounts["progress messages"] += 1
            case _:
                self._waiting_since = monotonic()
                if transport != "polling":
                    self._shared.delivered(self.topic.job_id, message["version"])
                self._shared.amounts["events"] += 1


def _after(seconds: float) -> Callable[[], bool]:
    """Return a function that is true once this many seconds have passed."""
    end = monotonic() + seconds
    return lambda: monotonic() > end
