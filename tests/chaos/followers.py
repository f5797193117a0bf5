"""Followers: each watches one job, over any transport, cut off and coming back, to the very end."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, NamedTuple

from tests.chaos.api import Api
from tests.chaos.board import Board, Topic
from tests.chaos.lines import Ended, Leaving, Line
from tests.chaos.polling import PollingLine
from tests.chaos.screen import FEED, Screen, document
from tests.chaos.sse import EventStreamLine
from tests.chaos.violations import Kind
from tests.chaos.websocket import WebSocketLine

Json = dict[str, Any]

TRANSPORTS = ("websocket", "sse", "polling")
WEIGHTS = (5, 4, 2)
LOOK_SECONDS = 0.05
# So often in a row it must look late: after a pause of this process what came meanwhile is not read at once.
LATE_LOOKS = 5
AGAIN_SECONDS = 0.3
STALL_SECONDS = 5.0
# So much has to happen while a subscriber does not read that it falls behind.
STALL_VERSIONS = 30
STUCK_SECONDS = 15.0
LINGER_SECONDS = 0.3
GONE = (OSError, EOFError, Ended)


class Visit(NamedTuple):
    """A connection to be made. `known`: `after` is a version of the job; `stalls`: it is not read for a while."""

    transport: str
    after: int | None
    known: bool
    stalls: bool = False


class Follower:
    """Somebody who watches one job."""

    def __init__(self, number: int, topic: Topic, url: str, board: Board) -> None:
        self.topic = topic
        self.screen = Screen(f"follower {number} of {topic.job_id}")
        self._url = url
        self._board = board
        self._chance = board.chance(f"follower {number} {topic.provider}")
        self._api = Api(url, self._chance)
        # When it began to listen, or was last told something of the log.
        self._waiting_since = 0.0

    async def follow(self, finished: asyncio.Event) -> None:
        """Come and go until told that nothing more will happen."""
        while not finished.is_set():
            visit = self._visit()
            await self._make(visit, lambda line, visit=visit: self._read_some(line, visit, finished))

    async def shield_to_completion(self, version: int) -> None:
        """Come once more, hear everything up to the last version, and nothing after it."""
        while self.screen.version != version:
            visit = Visit(self._chance.choice(TRANSPORTS), self.screen.version, known=True)
            await self._make(visit, lambda line, visit=visit: self._read_to(version, line, visit))
        await self._api.close()

    def _visit(self) -> Visit:
        """Most go on from where they were; some start anew, or name an old version, or one that never was."""
        seen, chance = self.screen.version, self._chance
        (transport,) = chance.choices(TRANSPORTS, WEIGHTS)
        if seen is None or chance.random() < 0.07:
            return Visit(transport, None, known=False)
        if transport != "polling":
            if self.topic.hot and chance.random() < 0.25:
                after = chance.randint(0, seen) if chance.random() < 0.4 else seen
                return Visit(transport, after, known=True, stalls=True)
            if chance.random() < 0.04:
                # A query answers such a version with nothing: only streams start the client anew.
                return Visit(transport, seen + 1_000_000, known=False)
        return Visit(transport, chance.randint(0, seen) if chance.random() < 0.06 else seen, known=True)

    async def _make(self, visit: Visit, read: Callable[[Line], Awaitable[None]]) -> None:
        """Connect, read, and leave somehow; the connection may be lost, but only with the server."""
        before, seen = self._board.outages, self.screen.version
        self.screen.resume(visit.after, visit.transport, known=visit.known)
        line: Line | None = None
        try:
            line = await self._open(visit)
            self._board.amounts["connections"] += 1
            self._waiting_since = monotonic()
            await read(line)
            await line.leave(self._chance.choice(list(Leaving)))
        except GONE as error:
            self._board.amounts["connections refused or lost"] += 1
            await asyncio.sleep(AGAIN_SECONDS)
            if self._board.outages == before and not self._board.down:
                raise self.screen.objection(Kind.DROPPED, repr(error)) from error
        finally:
            if line is not None:
                line.cut()
            if not visit.known and self.screen.version == visit.after:
                # Nothing was told: what was known before is still what is known.
                self.screen.resume(seen, "back", known=True)

    async def _open(self, visit: Visit) -> Line:
        if visit.transport == "polling":
            return PollingLine(self._api, self.topic.job_id, visit.after, self._chance)
        kind = WebSocketLine if visit.transport == "websocket" else EventStreamLine
        variables: Json = {"jobId": self.topic.job_id, "after": visit.after}
        return await kind.open(self._url, document(FEED, wide=visit.stalls), variables, narrow=visit.stalls)

    async def _read_some(self, line: Line, visit: Visit, finished: asyncio.Event) -> None:
        """Read for a while, and perhaps pause in between, as a busy client does."""
        seconds = self._chance.uniform(0.1, 3.0) if self.topic.hot else self._chance.uniform(5.0, 12.0)
        if visit.stalls:
            await self._read_one(line, visit, _after(seconds))
            await self._stall()
        is_over = _after(seconds)
        while await self._read_one(line, visit, lambda: finished.is_set() or is_over()):
            pass

    async def _read_to(self, version: int, line: Line, visit: Visit) -> None:
        while self.screen.version != version:
            if not await self._read_one(line, visit, _after(STUCK_SECONDS)):
                raise self.screen.objection(Kind.STUCK, f"the job is at {version}")
        # Whatever comes now does not follow, and is objected to.
        await self._read_one(line, visit, _after(LINGER_SECONDS))

    async def _read_one(self, line: Line, visit: Visit, is_over: Callable[[], bool]) -> bool:
        """Fold the next message; False when none had come when it was over."""
        coming = asyncio.ensure_future(line.message())
        looks_late = 0
        try:
            while not coming.done():
                await asyncio.wait([coming], timeout=LOOK_SECONDS)
                looks_late = looks_late + 1 if self._is_late(coming) else 0
                if looks_late == LATE_LOOKS:
                    raise self.screen.objection(Kind.LATE, f"{self._board.newest(self.topic.job_id)} is not told")
                if is_over() and not coming.done():
                    return False
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        message = coming.result()
        self._note(message, visit.transport)
        self.screen.show(message)
        return True

    def _is_late(self, coming: "asyncio.Future[Json]") -> bool:
        """Whether nothing comes, though something was acknowledged long ago."""
        version = self.screen.version
        if coming.done() or version is None:
            return False
        return self._board.is_late(self.topic.job_id, version, self._waiting_since)

    async def _stall(self) -> None:
        """Read nothing until so much has happened that not all of it can wait, or for some seconds."""
        self._board.amounts["stalls"] += 1
        enough = self._board.newest(self.topic.job_id) + STALL_VERSIONS
        for _ in range(round(STALL_SECONDS / LOOK_SECONDS)):
            await asyncio.sleep(LOOK_SECONDS)
            if self._board.newest(self.topic.job_id) >= enough:
                break
        self._waiting_since = monotonic()

    def _note(self, message: Json, transport: str) -> None:
        self._board.amounts[f"messages over {transport}"] += 1
        match message["kind"]:
            case "JobSnapshot":
                self._waiting_since = monotonic()
                self._board.amounts[f"snapshots {message['reason']}"] += 1
            case "SceneProgress":
                self._board.amounts["fractions"] += 1
            case _:
                self._waiting_since = monotonic()
                if transport != "polling":
                    self._board.tell(self.topic.job_id, message["version"])
                self._board.amounts["events"] += 1


def _after(seconds: float) -> Callable[[], bool]:
    """Whether so much time has passed since now."""
    end = monotonic() + seconds
    return lambda: monotonic() > end
