"""Missed values, read and executed once for the subscribers of a group that come back together."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from strawberry.types import ExecutionResult

from server.transports.shared.execution import encoded
from server.transports.shared.member import Member, State
from server.transports.shared.message import SharedMessage
from server.transports.shared.source import Missed, Value

if TYPE_CHECKING:
    from server.transports.shared.group import Group

PARALLEL: Final = 3
"""The replays of one group that read at the same time; subscribers that come meanwhile share the next one."""

SPAN: Final = 200
"""The most versions between the subscribers that share a replay."""

CHUNK: Final = 100
"""The sockets that are written to before other tasks get their turn."""

IN_STEP_SECONDS: Final = 0.1
"""How long a subscriber may delay the others of its replay; then it continues with one of its own."""


class Replays:
    """The replays of one group. It does not refer to the group, which is therefore freed as soon as it is over."""

    def __init__(self) -> None:
        self._waiting: list[Member] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self._shared = 0

    def add(self, group: "Group", member: Member) -> None:
        """Send a member the values after its version."""
        self._waiting.append(member)
        if self._shared < PARALLEL:
            self._shared += 1
            self._start(self._replay_waiting(group))

    def _start(self, replay: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(replay, name="replay")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _replay_waiting(self, group: "Group") -> None:
        try:
            await group.ready.wait()
            while members := self._next():
                await self._replay(group, members)
        finally:
            self._shared -= 1

    def _next(self) -> list[Member]:
        """Return the waiting members that are furthest behind, and those that are not much further."""
        waiting = sorted((each for each in self._waiting if each.state is State.JOINING), key=_version)
        last = waiting[0].version + SPAN if waiting else 0
        self._waiting = [member for member in waiting if member.version > last]
        return [member for member in waiting if member.version <= last]

    async def _replay(self, group: "Group", members: list[Member]) -> None:
        """Replay for these members; an error ends their streams and no others."""
        replay = _Replay(self, group, members)
        try:
            await replay.run()
        except Exception as error:
            group.end(replay.members, group.failure(error))

    async def alone(self, group: "Group", member: Member, missed: Missed) -> None:
        """Continue for one member once it has taken what it was sent."""
        await member.drained()
        if member.state is not State.JOINING:
            return
        if group.covers(member.version):
            group.enter(missed, [member])
        else:
            group.continue_after(missed)
            await self._replay(group, [member])

    def separate(self, group: "Group", member: Member, missed: Missed) -> None:
        """Replay for a member that is too slow for the others."""
        self._start(self.alone(group, member, missed))


class _Replay:
    """One reading of the log, from the version of the member that is furthest behind."""

    def __init__(self, replays: Replays, group: "Group", members: list[Member]) -> None:
        self._replays = replays
        self._group = group
        self.members = members
        """Those for which this replay reads; not those that it has left to others."""
        self._position = members[0].version

    async def run(self) -> None:
        """Send the missed values until the ring of the group covers the rest."""
        group = self._group
        asked, source = group.asked, group.source
        if source is None:
            return
        context = await group.streams.context(asked.connection)
        execution = group.streams.execution(asked, context)
        missed = source.missed(context, self._position, group.covers)
        made: list[tuple[Value, SharedMessage]] = []
        try:
            async with aclosing(missed.values()) as values:
                async for value in values:
                    if value.is_snapshot:
                        self._leave_to_others(self._position)
                    result = encoded(await execution.execute(value.value))
                    if isinstance(result, ExecutionResult):
                        group.end(self.members, result)
                        return
                    made.append((value, result))
                    self._position = value.version or 0
                    if context.more_follow:
                        await asyncio.sleep(0)
                        continue
                    await context.answered()
                    await self._send(made, missed)
                    made.clear()
                    if not self.members:
                        return
        finally:
            await context.answered()
        self._leave_to_others(self._position)
        group.enter(missed, self.members)

    def _leave_to_others(self, position: int) -> None:
        """Leave the members with a later version than this to another replay: for them nothing was read yet."""
        later = [member for member in self.members if member.version > position]
        self.members = [member for member in self.members if member.version <= position]
        for member in later:
            self._replays.add(self._group, member)

    async def _send(self, made: Sequence[tuple[Value, SharedMessage]], missed: Missed) -> None:
        """Send values to the members, and leave those behind that are too slow."""
        group = self._group
        members = [member for member in self.members if member.state is State.JOINING]
        for index, member in enumerate(members, 1):
            payloads = [
                payload for value, payload in made if value.is_snapshot or (value.version or 0) > member.version
            ]
            if payloads:
                group.hand(member, payloads, has_spent=group.spend(len(payloads)))
                member.version = self._position
            if not index % CHUNK:
                await asyncio.sleep(0)
        slow = [member for member in members if not member.is_drained]
        if slow:
            await _wait_for(slow, None if len(members) == 1 else IN_STEP_SECONDS)
        self.members = [member for member in members if member.is_drained and member.state is State.JOINING]
        for member in slow:
            if not member.is_drained:
                self._replays.separate(group, member, missed)


async def _wait_for(members: Sequence[Member], seconds: float | None) -> None:
    """Wait until the members have taken what they were sent."""
    waits = [asyncio.create_task(member.drained()) for member in members]
    try:
        await asyncio.wait(waits, timeout=seconds)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _version(member: Member) -> int:
    return member.version
