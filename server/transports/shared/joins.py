"""The state for members that join or lag behind, executed once for all that wait together."""

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from strawberry.types import ExecutionResult

from server.transports.shared.execution import MessageExecution, encoded
from server.transports.shared.in_step import CHUNK
from server.transports.shared.member import Member, State
from server.transports.shared.message import SharedMessage
from server.transports.shared.pace import MOST, Made
from server.transports.shared.source import Source

if TYPE_CHECKING:
    from server.transports.shared.group import Group

VALUES: Final = 1_000
"""The values of a state that are kept until it is complete. A state with more is made for each subscriber, a part at a
time."""


class Joins:
    """Sends the state to members of one group."""

    def __init__(self, group: "Group") -> None:
        self._group = group
        self._is_large = False

    async def send(
        self, source: Source, execution: MessageExecution, waiting: list[Member], *, lagged: bool = False
    ) -> None:
        """Send the state to members that join or lag behind, and let them continue with the messages of the group."""
        members = waiting.copy()
        waiting.clear()
        if self._is_large:
            self._separate(members)
            return
        result = await self._made_or_failure(source, execution, members, lagged=lagged)
        if isinstance(result, ExecutionResult):
            self._group.end(members, result)
        elif result is None:
            self._group.end(members)
        elif not self._is_large:
            await self._hand(members, result, is_complete=True)

    async def _made_or_failure(
        self, source: Source, execution: MessageExecution, members: list[Member], *, lagged: bool
    ) -> list[Made] | ExecutionResult | None:
        """Return what `_make` does, or the result of its error."""
        # Kept in no variable here: the error in the result has its traceback, which has this frame.
        try:
            return await self._make(source, execution, members, lagged=lagged)
        except Exception as error:
            return execution.failure(error)

    async def _make(
        self, source: Source, execution: MessageExecution, members: list[Member], *, lagged: bool
    ) -> list[Made] | ExecutionResult | None:
        """Return what the members have to get; a result that ends their streams, or None when they just end."""
        group = self._group
        states: list[Made] = []
        updates: list[Made] = []
        async with aclosing(source.states(lagged=lagged)) as values:
            async for value in values:
                message = None if value.value is None else encoded(await execution.execute(value.value))
                if not isinstance(message, SharedMessage):
                    return message
                (updates if value.is_update else states).append(Made(value, message))
                if len(states) < VALUES or group.more_follow:
                    continue
                if not group.is_alone:
                    self._is_large = True
                    self._separate(members)
                    return []
                await group.answered()
                await self._hand(members, states)
                states.clear()
                await members[0].drained()
        for start in range(0, len(updates), MOST):
            await group.publish(updates[start : start + MOST])
        return states

    async def _hand(self, members: list[Member], made: list[Made], *, is_complete: bool = False) -> None:
        group = self._group
        members = [member for member in members if member.state is not State.LEFT]
        messages = [message for _, message in made]
        has_spent = not made or group.spend(len(members) * len(made))
        turn = max(1, CHUNK // max(1, len(made)))
        for index, member in enumerate(members, 1):
            if is_complete:
                self._begin(member, made)
            group.hand(member, messages, has_spent=has_spent)
            if is_complete:
                group.continue_with(member)
            if not index % turn:
                await asyncio.sleep(0)

    def _begin(self, member: Member, made: list[Made]) -> None:
        """Set the place of a member in the messages of the group."""
        member.number = member.started_at = self._group.ring.number
        member.plain = False  # the group may still make messages that this state includes
        member.last = None
        if made:
            value, message = made[-1]
            member.version = member.version if value.version is None else value.version
            member.last = message.body if value.key is not None else None

    def _separate(self, members: list[Member]) -> None:
        """Let each member have a group of its own."""
        for member in members:
            if member.state is not State.LEFT:
                self._group.others.discard(member)
                self._group.streams.join_alone(self._group.asked, member)
