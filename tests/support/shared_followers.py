"""Random subscribers of a shared group, each of which checks its messages against the log of its job."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from strawberry.types import ExecutionResult

from server.transports.observation.port import NoObserver, Stream
from server.transports.rate_limiter import NoRateLimits, TooManyRequests
from server.transports.shared.member import Member, State
from server.transports.shared.members import Members
from server.transports.shared.message import SharedMessage, message_prefix
from server.transports.shared.streams import Asked, SharedStreams
from tests.support.shared_world import RING, Execution, World
from tests.support.waiting import TIMEOUT_SECONDS, eventually

SECONDS = TIMEOUT_SECONDS


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let those beyond the rate limit try again at once, and write to three sockets in a turn."""

    async def spend(self: Members) -> None:
        while not self.spend(1):  # noqa: ASYNC110 # the limit opens by chance
            await asyncio.sleep(0)

    monkeypatch.setattr(Members, "spend_when_available", spend)
    for module in ("publishing", "in_step", "joins", "replay"):
        monkeypatch.setattr(f"server.transports.shared.{module}.CHUNK", 3)
    monkeypatch.setattr("server.transports.shared.replay.IN_STEP_SECONDS", 0.001)


class Operation:
    """The context of a replay."""

    more_follow = False

    async def answered(self) -> None:
        """Do nothing."""


class Limiter(NoRateLimits):
    """Refuses some spending at random, for a moment."""

    def __init__(self, rng: random.Random, refuses: float) -> None:
        self._rng = rng
        self.refuses = refuses
        self.spent = 0

    def spend_for(self, caller: str, cost: int) -> None:
        if self._rng.random() < self.refuses:
            raise TooManyRequests("later", 0.0)
        self.spent += cost


class Streams(SharedStreams):
    """The groups of the world."""

    def __init__(self, world: World, refuses: float = 0.0) -> None:
        self._world = world
        self._stopping = set()
        self._groups = {}
        self.limiter = self.rate_limiter = Limiter(world.rng, refuses)
        self.ring_limit = RING
        self.schema = cast("Any", None)
        self.observer = NoObserver()

    async def context(self, connection: Any) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride] # a field
        return Operation()

    def execution(self, asked: Asked, context: Any) -> Any:
        return Execution(self._world)

    @property
    def groups(self) -> int:
        """The number of groups."""
        return len(self._groups)

    def ask(self, after: int | None) -> Asked:  # pyright: ignore[reportIncompatibleMethodOverride] # of the world
        nothing = cast("Any", None)
        operation = cast("Any", _Field())
        return Asked("key", after, operation, nothing, nothing, "caller", 1, nothing, b'{"cost":1}', Stream(None, 1))


class _Field:
    field = None
    sharing = None
    selected = None


class Follower:
    """One subscriber: its socket takes `room` messages at once, and is emptied at its own pace."""

    def __init__(
        self, streams: Streams, after: int | None, room: int, *, is_direct: bool = True, name: str = "1"
    ) -> None:
        self.connection = cast("Any", None)
        self.is_direct = is_direct
        self.prefix = message_prefix(name)
        self.version = after
        self.progress = 0
        self.received: list[dict[str, Any]] = []
        self.writes = 0
        """The writes to the socket that the group made itself."""
        self.problems: list[str] = []
        self.has_ended = False
        self.has_left = False
        self._room = room
        self._filled = 0
        self._pumping: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._after = after
        self.member: Member = streams.join(streams.ask(after), self)
        if not is_direct:
            self.pump()

    @property
    def reached(self) -> tuple[int | None, int]:
        """The version and the progress of the last messages."""
        return self.version, self.progress

    @property
    def write_frames(self) -> Callable[[bytes], bool]:
        return self._write_frames

    def write(self, payload: SharedMessage) -> bool:
        return self._write_frames(payload.frame(self.prefix))

    def write_all(self, payloads: Sequence[SharedMessage]) -> int:
        for index, payload in enumerate(payloads):
            if not self.write(payload):
                return index
        return len(payloads)

    def pump(self) -> None:
        self._pumping = asyncio.create_task(self._pump())

    def drain(self) -> None:
        """Make room in the socket."""
        self._filled = 0
        self._drained.set()

    def leave(self) -> None:
        """End the stream, as `complete` from the client does."""
        self.has_ended = self.has_left = True
        self.member.leave()
        if self._pumping is not None:
            self._pumping.cancel()

    def _write_frames(self, frames: bytes) -> bool:
        if self._pumping is not None and not self._pumping.done() and self.member.pumping:
            self.problems.append("written beside the pump")
        if self._filled >= self._room:
            return False
        self._filled += 1
        self.writes += 1
        while frames:
            head, size = 2, frames[1]
            if size == 126:
                head, size = 4, int.from_bytes(frames[2:4])
            frame, frames = frames[head : head + size], frames[head + size :]
            if not frame.startswith(self.prefix):
                self.problems.append(f"received the message of another operation: {frame}")
            self._receive(frame[frame.index(b'"payload":') + 10 : -1])
        return True

    async def _pump(self) -> None:
        try:
            async for message in self.member.messages():
                while self._filled >= self._room:
                    self._drained.clear()
                    await self._drained.wait()
                self._filled += 1
                if isinstance(message, ExecutionResult):
                    self.has_ended = True
                    self.received.append({"kind": "error"})
                    return
                self._receive(message.body)
            if self.member.state is State.COMPLETE:
                self.has_ended = True
        finally:
            if self.member.state is not State.LIVE:
                self.member.leave()

    def _receive(self, body: bytes) -> None:
        message: dict[str, Any] = json.loads(body)
        if self.has_ended or self.member.state is State.LEFT:
            self.problems.append(f"sent after the end: {message}")
        if ("extensions" in message) != (not self.received):
            self.problems.append("the first message, and no other, states the cost")
        value = message["data"]
        self.received.append(value)
        kind, version = value.get("kind"), value.get("version")
        if value.get("progress", self.progress) < self.progress:
            self.problems.append(f"progress fell to {value}")
        self.progress = value.get("progress", self.progress)
        match kind:
            case "initial" if self.version is None:
                self.version = version
            case "event" if self.version is not None and version == self.version + 1:
                self.version = version
            case "lagged" if self.version is not None and version > self.version:
                self.version = version
            case "truncated" if self.version == self._after and len(self.received) == 1:
                self.version = version
            case None if self.version is not None:
                pass
            case _:
                self.problems.append(f"{value} after version {self.version}")


async def has(followers: list[Follower], version: int) -> None:
    """Wait until all have this version."""
    await eventually(lambda: all(each.version == version for each in followers), SECONDS)
