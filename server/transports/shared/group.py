"""The subscribers that share a stream: same document, variables and rights."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from strawberry.types import ExecutionResult

from server.transports.rate_limiter import TooManyRequests
from server.transports.shared.execution import MessageExecution, encoded, failure
from server.transports.shared.member import Member, State
from server.transports.shared.message import SharedMessage
from server.transports.shared.replay import Replays
from server.transports.shared.ring import Entry, Ring
from server.transports.shared.source import Missed, Source, Value

if TYPE_CHECKING:
    from server.transports.shared.streams import Asked, SharedStreams

CHUNK: Final = 100
"""The sockets that are written to before other tasks get their turn: about a millisecond."""


class Group:
    """Makes each value of a stream once, and sends it to all members.

    Members whose sockets take all messages at once are live. The others take them from the ring at their own pace.
    """

    def __init__(self, streams: "SharedStreams", asked: "Asked") -> None:
        self.asked = asked
        self.streams = streams
        self.ring = Ring(streams.ring_limit)
        self.ready = asyncio.Event()
        """Set when the source misses no value any more."""
        self._live: dict[Member, None] = {}
        self._others: set[Member] = set()
        self._joining: list[Member] = []
        self._lagging: list[Member] = []
        self._entering: list[tuple[Missed, list[Member]]] = []
        self._outdated: dict[str, object] = {}
        self._stripped: dict[int, list[Member]] = {}
        """By the number of a message that has to be made again: the members that wait for it."""
        self._replays = Replays(self)
        self._is_complete = False
        self._is_over = False
        self.source: Source | None = None
        self._execution: MessageExecution | None = None
        self._task = asyncio.create_task(self._run(), name="shared stream")

    def join(self, member: Member, after: int | None) -> None:
        """Send the state, or the values after a version, then the values that follow."""
        self._others.add(member)
        if after is None:
            self._joining.append(member)
            self._interrupt()
        else:
            self._replays.add(member)

    def enter(self, missed: Missed, members: Iterable[Member]) -> None:
        """Continue with members that have everything up to their version, which the ring covers."""
        staying = [member for member in members if member.state is State.JOINING]
        if self._is_over:
            for member in staying:
                member.state = State.COMPLETE
                member.wake()
        else:
            self._entering.append((missed, staying))
            self._interrupt()

    def covers(self, version: int) -> bool:
        """Whether members that have everything up to this version can enter."""
        return self._is_over or self.ring.dropped_version <= version

    def remove(self, member: Member) -> None:
        """Forget a member that has left. The last one stops the group."""
        self._live.pop(member, None)
        self._others.discard(member)
        for members in (self._joining, self._lagging, *self._stripped.values()):
            with suppress(ValueError):
                members.remove(member)
        if not self._live and not self._others:
            self.streams.forget(self)
            self._replays.stop()
            self.streams.stop(self._task)

    def take(self, member: Member) -> SharedMessage | None:
        """Return the next message of a member that is behind; None when there is none yet.

        When messages were dropped that it needs, it gets the state in their place.
        """
        while True:
            if self.ring.misses(member.number, member.version) and not self._is_over:
                member.state = State.JOINING
                self._lagging.append(member)
                self._interrupt()
                return None
            entry = self.ring.next(member.number)
            if entry is None:
                return None
            if entry.message is None:
                member.state = State.JOINING
                self._stripped.setdefault(entry.number, []).append(member)
                self._interrupt()
                return None
            member.number = entry.number
            payload = self._payload_for(member, entry, entry.message)
            if payload is not None:
                if not self.spend(1):
                    member.unpaid += 1
                return payload

    def resume(self, member: Member) -> bool:
        """Make a member live that has taken all messages; return whether it is."""
        if member.state is not State.BEHIND or not member.outlet.is_direct or member.inbox or member.unpaid:
            return False
        member.state = State.LIVE
        self._others.discard(member)
        self._live[member] = None
        if not self._others:
            self.ring.clear()
        return True

    def spend(self, messages: int) -> bool:
        """Spend the cost of messages; return whether the rate limit permits it. All members are the same caller."""
        try:
            self.streams.rate_limiter.spend(self.asked.connection, self.asked.cost * messages)
        except TooManyRequests:
            return False
        return True

    async def spend_when_available(self) -> None:
        """Wait until the rate limit permits one message, and spend its cost."""
        while True:
            try:
                return self.streams.rate_limiter.spend(self.asked.connection, self.asked.cost)
            except TooManyRequests as limited:
                await asyncio.sleep(max(1.0, limited.retry_after_seconds))

    async def _run(self) -> None:
        try:
            await self._serve()
        except Exception as error:
            self._fail(error)
        finally:
            self._is_over = True
            self.streams.forget(self)

    async def _serve(self) -> None:
        asked = self.asked
        context = await self.streams.context(asked.connection)
        self._execution = self.streams.execution(asked, context)
        self.source = self._execution.source(asked.sharing, asked.field)
        async with self.source.joined() as version:
            self.ring.begin(version)
            self.ready.set()
            while await self._turn(self.source, self._execution):
                pass

    async def _turn(self, source: Source, execution: MessageExecution) -> bool:
        """Do the next thing; return False at the end of the stream."""
        if self._joining or self._lagging:
            for members, lagged in ((self._joining, False), (self._lagging, True)):
                if members:
                    await self._send_state(source, execution, members, lagged=lagged)
        elif self._entering:
            self._let_in(source)
        elif await source.finished():
            if self._stripped:
                await self._make_stripped(source, execution)
            elif not (self._joining or self._lagging or self._entering):
                self._complete()
                if not self._others:
                    return False
                await source.wait()  # for members that still have to get messages
        elif source.pending:
            return await self._make(source, execution, source.take)
        elif self._stripped:
            await self._make_stripped(source, execution)
        elif self._outdated:
            _, received = self._outdated.popitem()
            return await self._make(source, execution, lambda: source.make(received), again=True)
        else:
            await source.wait()
        return True

    async def _send_state(
        self, source: Source, execution: MessageExecution, waiting: list[Member], *, lagged: bool
    ) -> None:
        """Send the state to members that join or lag behind; it is read once for all that wait."""
        members = waiting.copy()
        waiting.clear()
        try:
            async with source.making_message():
                value = await source.state(lagged=lagged)
                result = None if value is None else await execution.execute(value.value)
        except Exception as error:
            self.end(members, execution.failure(error))
            return
        if value is None or result is None:
            self.end(members)
            return
        message = encoded(result)
        if isinstance(message, ExecutionResult):
            self.end(members, message)
            return
        members = [member for member in members if member.state is not State.LEFT]
        has_spent = self.spend(len(members))
        for index, member in enumerate(members, 1):
            member.version = member.version if value.version is None else value.version
            member.number = member.started_at = self.ring.number
            member.last = message.body if value.key is not None else None
            self.hand(member, [message], has_spent=has_spent)
            self._continue(member)
            if not index % CHUNK:
                await asyncio.sleep(0)

    def hand(self, member: Member, payloads: list[SharedMessage], *, has_spent: bool) -> None:
        """Send messages to one member only, its first one with the cost."""
        if not member.has_first and payloads:
            member.has_first = True
            payloads = [payloads[0].first(self.asked.extensions), *payloads[1:]]
        member.hand(payloads)
        if not has_spent:
            member.unpaid += len(payloads)

    async def _make_stripped(self, source: Source, execution: MessageExecution) -> None:
        """Make a message again for members that are behind, which may have needed it or a later one."""
        number = min(self._stripped)
        members, entry = self._stripped.pop(number), self.ring.next(number - 1)
        if entry is not None and entry.number == number:
            async with source.making_message():
                value = await source.again(entry.received)
                result = None if value is None else await execution.execute(value.value)
            message = None if result is None else encoded(result)
            if isinstance(message, ExecutionResult):
                self.end(members, message)
                return
            for member in members:
                member.number = number
                payload = None if message is None else self._payload_for(member, entry, message)
                if payload is not None:
                    self.hand(member, [payload], has_spent=self.spend(1))
        for member in members:
            self._continue(member)

    def _continue(self, member: Member) -> None:
        """Let a member continue with the messages of the group."""
        if member.state is not State.LEFT:
            member.state = State.COMPLETE if self._is_complete else State.BEHIND
            if member.pumping or self.ring.next(member.number) is not None or not self.resume(member):
                member.wake()

    def _let_in(self, source: Source) -> None:
        entering, self._entering = self._entering, []
        for missed, members in entering:
            source.continue_after(missed)
            for member in members:
                member.started_at = self.ring.number
                member.number = 0
                if self.ring.next(0) is None:
                    member.number = self.ring.number
                self._continue(member)

    async def _make(
        self,
        source: Source,
        execution: MessageExecution,
        make: Callable[[], Awaitable[Value | None]],
        *,
        again: bool = False,
    ) -> bool:
        """Make and send a value; return False when the stream ends."""
        async with source.making_message():
            value = await make()
            if value is None:
                return True
            result = None if value.value is None else await execution.execute(value.value)
        if result is None:
            self._end_all()
            return False
        message = encoded(result)
        if isinstance(message, ExecutionResult):
            self._end_all(message)
            return False
        await self._publish(value, message, again=again)
        return True

    async def _publish(self, value: Value, message: SharedMessage, *, again: bool) -> None:
        entry = Entry(self.ring.number + 1, message, value.version, value.key, value.received)
        self._add(entry)
        live: tuple[Member, ...] = () if again else tuple(self._live)
        if again:
            for member in self._live:
                member.number = entry.number
        has_spent = not live or self.spend(len(live))
        for index, member in enumerate(live, 1):
            if member.state is State.LIVE and member.number < entry.number:
                self._write(member, entry, message, has_spent=has_spent)
            if not index % CHUNK:
                await asyncio.sleep(0)
        message.compact()
        if not self._others:
            self.ring.clear()

    def _add(self, entry: Entry) -> None:
        """Add a message to the ring for members that are behind. What they need of those that it outdates is made
        again: a message with a key must not follow a newer one without."""
        behind = [member for member in self._others if member.state is State.BEHIND]
        for old in self.ring.add(entry):
            if old.key is not None and any(member.number < old.number for member in behind):
                self._outdated[old.key] = old.received
        if entry.key is not None:
            self._outdated.pop(entry.key, None)
        for member in behind:
            member.wake()

    def _write(self, member: Member, entry: Entry, message: SharedMessage, *, has_spent: bool) -> None:
        """Write a message to a live member. When its socket is full or its cost was not spent, it falls behind."""
        before = member.has_first, member.last
        if member.plain:
            payload: SharedMessage | None = message
        else:
            payload = self._payload_for(member, entry, message)
            member.plain = member.has_first and member.last is None and member.version <= (entry.version or 0)
        if payload is None or member.outlet.write(payload):
            member.number = entry.number
            if not has_spent and payload is not None:
                member.unpaid += 1
                self._fall_behind(member)
        else:
            member.has_first, member.last = before
            self._fall_behind(member)

    def _fall_behind(self, member: Member) -> None:
        if member.state is State.LIVE:
            member.state = State.BEHIND
            del self._live[member]
            self._others.add(member)
        member.wake()

    def _payload_for(self, member: Member, entry: Entry, message: SharedMessage) -> SharedMessage | None:
        """Return what a member gets of a message; None when it has it already."""
        if entry.version is not None and entry.version <= member.version:
            return None
        if entry.key is not None and entry.number <= member.started_at:
            return None
        last, member.last = member.last, None
        if last == message.body:
            return None
        if member.has_first:
            return message
        member.has_first = True
        return message.first(self.asked.extensions)

    def _complete(self) -> None:
        """End the stream of every member after the messages that it still has to get."""
        self._is_complete = True
        self.streams.forget(self)
        for member in (*self._live, *self._others):
            if member.state in (State.LIVE, State.BEHIND):
                self._live.pop(member, None)
                self._others.add(member)
                member.state = State.COMPLETE
                member.wake()

    def _end_all(self, result: ExecutionResult | None = None) -> None:
        """End all streams at once: the object is gone, or its members may not see it any more."""
        self._is_over = True
        self.streams.forget(self)
        self.ring.clear()
        joining, self._joining = self._joining, []
        if result is None:
            for member in joining:
                self._others.discard(member)
                self.streams.rejoin(self.asked, member)
        waiting = {member for _, members in self._entering for member in members}
        waiting.update(self._lagging, *self._stripped.values())
        self._entering.clear()
        ending = [
            member
            for member in (*self._live, *self._others)
            if member.state is not State.JOINING or member in waiting or result is not None
        ]
        self.end(ending, result)

    def end(self, members: Iterable[Member], result: ExecutionResult | None = None) -> None:
        """End the streams of members, with a result if given."""
        for member in members:
            if member.state is not State.LEFT:
                self._live.pop(member, None)
                self._others.add(member)
                member.state = State.COMPLETE
                member.inbox = None
                member.unpaid = 0
                if result is not None:
                    member.hand([result])
                member.wake()

    def failure(self, error: Exception) -> ExecutionResult:
        """Return the result of a stream that cannot begin or continue, with masked errors."""
        if self._execution is None:
            return failure(self.streams.schema, self.asked.params, error)
        return self._execution.failure(error)

    def _fail(self, error: Exception) -> None:
        """End all streams with the error; unexpected ones are masked and logged."""
        self._replays.stop()
        self._end_all(self.failure(error))

    def _interrupt(self) -> None:
        if self.source is not None:
            self.source.interrupt()
