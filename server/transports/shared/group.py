"""The subscribers that share a stream: same document, variables and rights."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from strawberry.types import ExecutionResult

from models.domain import trace
from server.transports.light import LightEvent
from server.transports.shared.at_once import AtOnce
from server.transports.shared.execution import MessageExecution, encoded, failure
from server.transports.shared.joins import Joins
from server.transports.shared.member import Member, State
from server.transports.shared.members import MANY
from server.transports.shared.message import SharedMessage
from server.transports.shared.pace import Batch, Rests
from server.transports.shared.publishing import Publishing
from server.transports.shared.replay import Replays
from server.transports.shared.source import Missed, Source, Value

if TYPE_CHECKING:
    from server.transports.shared.streams import Asked, SharedStreams

TURNS_FOR_ANSWERS: Final = 2
"""The turns of the event loop that a group of MANY leaves to others before it makes what a change has caused: by then
the answer to the change is written, which goes to one client in the time that the group needs for many."""


class Group(Publishing):
    """Makes each value of a stream once, and sends it to all members."""

    def __init__(self, streams: "SharedStreams", asked: "Asked", *, is_alone: bool = False) -> None:
        """`is_alone`: it has one member only, ever."""
        super().__init__(streams, asked)
        self.is_alone = is_alone
        self.ready = LightEvent()
        """Set when the source misses no value any more."""
        self._joining: list[Member] = []
        self._entering: list[tuple[Missed, list[Member]]] = []
        self._replays = Replays()
        self._joins = Joins(self)
        self._context: Any = None
        self._execution: MessageExecution | None = None
        self._has_served_members = False
        self._rests = Rests()
        self._at_once: AtOnce | None = None
        self._task = asyncio.create_task(self._run(), name="shared stream")

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        """Its own task, and those of its replays."""
        return (self._task, *self._replays.tasks)

    def join(self, member: Member, after: int | None) -> None:
        """Send the state, or the values after a version, then the values that follow."""
        self.others.add(member)
        if after is None:
            self._joining.append(member)
            self.interrupt()
        else:
            self._replays.add(self, member)

    def enter(self, missed: Missed, members: Iterable[Member]) -> None:
        """Continue with members that have everything up to their version, which the ring covers."""
        staying = [member for member in members if member.state is State.JOINING]
        if self.is_over:
            for member in staying:
                member.state = State.COMPLETE
                member.wake()
        else:
            self._entering.append((missed, staying))
            self.interrupt()

    def continue_after(self, missed: Missed) -> None:
        """Make no value that is older than what the missed values showed."""
        if self.source is not None:
            self.source.continue_after(missed)

    @property
    def more_follow(self) -> bool:
        """Whether the next value is made at once, from the same snapshot."""
        return self._context.more_follow

    async def answered(self) -> None:
        """Give back what making values uses: sending them to a slow member may take any time."""
        await self._context.answered()

    def remove(self, member: Member) -> None:
        """Forget a member that has left. The last one stops the group."""
        self.forget_live(member)
        self.others.discard(member)
        for members in (self._joining, self.lagging, *self.stripped.values()):
            with suppress(ValueError):
                members.remove(member)
        if not self.size:
            self.streams.forget(self)
            for task in self.tasks:
                self.streams.stop(task)

    async def _run(self) -> None:
        trace.enter(None)  # the trace of its first subscriber is not that of the others
        try:
            await self._serve()
        except asyncio.CancelledError:  # cancellation: by the last member that left, so the task ends as it should
            # Raised, the task would keep the error with its traceback, and so the group, which has the task.
            if self.size:
                raise
        except Exception as error:
            self.fail(error)
        finally:
            self.is_over = True
            self.streams.forget(self)
            self._release()

    async def _serve(self) -> None:
        asked = self.asked
        self._context = await self.streams.context(asked.connection)
        self._execution = self.streams.execution(asked, self._context)
        self.source = self._execution.source(asked.sharing, asked.field, asked.operation.selected)
        async with self.source.joined() as version:
            self.ring.begin(version)
            if self.source.ready is not None:
                self._at_once = AtOnce(self, self.source.ready, self._execution, copy_context())
            self.ready.set()
            while await self._turn(self.source, self._execution):
                pass

    async def _turn(self, source: Source, execution: MessageExecution) -> bool:
        """Do the next thing; return False at the end of the stream."""
        # Those that join without end must not delay the values of the others, nor a stream of values those that wait.
        has_to_make = source.pending and self._has_served_members
        self._has_served_members = False
        if (self._joining or self.lagging) and not has_to_make:
            self._has_served_members = True
            for members, lagged in ((self._joining, False), (self.lagging, True)):
                if members:
                    await self._joins.send(source, execution, members, lagged=lagged)
            return self.size > 0
        if self._entering:
            self._let_in(source)
        elif await source.finished():
            if self.stripped:
                await self._make_stripped(source, execution)
            elif not (self._joining or self.lagging or self._entering):
                self._complete()
                if not self.others:
                    return False
                await source.wait()  # for members that still have to get messages
        elif self.stripped and not has_to_make:
            self._has_served_members = True
            await self._make_stripped(source, execution)
        elif source.pending:
            return await self._make_pending(source, execution)
        elif self.outdated:
            return await self._make_outdated(source, execution)
        else:
            await self._wait(source)
            if self.size >= MANY:
                for _ in range(TURNS_FOR_ANSWERS):
                    await asyncio.sleep(0)
        return True

    async def _wait(self, source: Source) -> None:
        """Wait until the task has something to do. Meanwhile, values may be made at once."""
        at_once = self._at_once
        if at_once is None:
            await source.wait()
            return
        at_once.is_waiting = True
        try:
            await source.wait()
        finally:
            at_once.is_waiting = False

    async def _make_stripped(self, source: Source, execution: MessageExecution) -> None:
        """Make a message again for members that are behind, which may have needed it or a later one."""
        number = min(self.stripped)
        members, entry = self.stripped.pop(number), self.ring.next(number - 1)
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
                member.remade_until = self.ring.number
                payload = None if message is None else self._payload_for(member, entry, message)
                if payload is not None:
                    self.hand(member, [payload], has_spent=self.spend(1))
        for member in members:
            self.continue_with(member)

    async def _make_outdated(self, source: Source, execution: MessageExecution) -> bool:
        """Make a value with a key again for members that are behind; return False when the stream ends."""
        # It stays there meanwhile, so that no member that may need it becomes live.
        key, received = next(iter(self.outdated.items()))
        batch = Batch()
        async with source.making_message():
            await self._make(execution, lambda: source.make(received), batch)
        await self.publish(batch.made, again=True)
        if batch.is_last:
            self._end_all(batch.result)
        self.outdated.pop(key, None)
        for member in self.others:
            if member.state is State.BEHIND:
                member.wake()
        return not batch.is_last

    def _let_in(self, source: Source) -> None:
        entering, self._entering = self._entering, []
        for missed, members in entering:
            source.continue_after(missed)
            for member in members:
                member.started_at = member.remade_until = self.ring.number
                member.number = 0
                if self.ring.next(0) is None:
                    member.number = self.ring.number
                self.continue_with(member)

    async def _make_pending(self, source: Source, execution: MessageExecution) -> bool:
        """Make the pending values and send them together; return False when the stream ends."""
        await self._rests.rest()
        batch = Batch(self.ring.limit)
        try:
            # In one block: what several of them show is read once, unless something was committed in between.
            async with source.making_message():
                while source.pending and not batch.is_full:
                    await self._make(execution, source.take, batch)
        except Exception:
            await self.publish(batch.made)
            raise
        with self._rests.writing(batch):
            await self.publish(batch.made)
        if batch.is_last:
            self._end_all(batch.result)
        return not batch.is_last

    async def _make(
        self, execution: MessageExecution, make: Callable[[], Awaitable[Value | None]], batch: Batch
    ) -> None:
        """Make a value and add it to the batch, which it ends when it is the last of the stream."""
        value = await make()
        if value is None:
            return
        result = None if value.value is None else await execution.execute(value.value)
        message = None if result is None else encoded(result)
        if isinstance(message, SharedMessage):
            batch.add(value, message, has_errors=bool(result and result.errors))
        else:
            batch.end(message)

    def _complete(self) -> None:
        """End the stream of every member after the messages that it still has to get."""
        self.is_complete = True
        self.streams.forget(self)
        for member in self.all_members:
            if member.state in (State.LIVE, State.BEHIND):
                self.forget_live(member)
                self.others.add(member)
                member.state = State.COMPLETE
                member.wake()

    def _end_all(self, result: ExecutionResult | None = None) -> None:
        """End all streams at once: the object is gone, or its members may not see it any more."""
        self.is_over = True
        self.streams.forget(self)
        self.ring.clear()
        joining, self._joining = self._joining, []
        if result is None:
            for member in joining:
                self.others.discard(member)
                self.streams.rejoin(self.asked, member)
        waiting = {member for _, members in self._entering for member in members}
        waiting.update(self.lagging, *self.stripped.values())
        self._entering.clear()
        ending = [
            member
            for member in self.all_members
            if member.state is not State.JOINING or member in waiting or result is not None
        ]
        self.end(ending, result)

    def failure(self, error: Exception) -> ExecutionResult:
        """Return the result of a stream that cannot begin or continue, with masked errors."""
        if self._execution is None:
            return failure(self.streams.schema, self.asked.params, error)
        return self._execution.failure(error)

    def fail(self, error: Exception) -> None:
        """End all streams with the error; unexpected ones are masked and logged."""
        for task in self._replays.tasks:
            self.streams.stop(task)
        self._end_all(self.failure(error))

    def _release(self) -> None:
        """Drop what refers to the group, so that it is freed at once with its last member."""
        if self._at_once is not None:
            self._at_once.stop()
        self._at_once = None
        del self._joins
