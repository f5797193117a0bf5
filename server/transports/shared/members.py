"""The members of a group, and what each of them gets of its messages."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from strawberry.types import ExecutionResult

from server.transports.observation.port import codes_of
from server.transports.rate_limiter import TooManyRequests
from server.transports.shared.in_step import InStep
from server.transports.shared.member import Member, State
from server.transports.shared.message import SharedMessage
from server.transports.shared.ring import Entry, Ring
from server.transports.shared.source import Source

if TYPE_CHECKING:
    from server.transports.shared.streams import Asked, SharedStreams

MANY: Final = 10
"""The members from which a group leaves some turns of the loop to others before it makes a message."""


class Members:
    """The members of a group. Those whose sockets take all messages at once are live; the others take them from the
    ring at their own pace."""

    def __init__(self, streams: "SharedStreams", asked: "Asked") -> None:
        self.asked = asked
        self.streams = streams
        self.ring = Ring(streams.ring_limit)
        self.live: dict[Member, None] = {}
        """The live members that may not get the next message, or another one than the others."""
        self.in_step = InStep()
        """The other live members."""
        self.others: set[Member] = set()
        self.lagging: list[Member] = []
        """Those that get the state in place of dropped messages."""
        self.stripped: dict[int, list[Member]] = {}
        """By the number of a message that has to be made again: the members that wait for it."""
        self.outdated: dict[str, object] = {}
        """By key, what has to be made again for members that are behind."""
        self.source: Source | None = None
        self.is_complete = False
        """Whether the stream ends after the messages that are in the ring."""
        self.is_over = False
        """Whether no message is made any more."""
        self._is_sending = False

    @property
    def all_members(self) -> tuple[Member, ...]:
        """Everyone who has not left."""
        return (*self.live, *self.in_step, *self.others)

    @property
    def size(self) -> int:
        """The number of all members."""
        return len(self.live) + len(self.in_step) + len(self.others)

    @property
    def is_steady(self) -> bool:
        """Whether every member gets each message unchanged, and they are few."""
        if self.others or self.live or self.outdated or self.is_over:
            return False
        blocks = self.in_step.blocks
        return len(blocks) == 1 and len(blocks[0].writes) < MANY

    def forget_live(self, member: Member) -> None:
        """Write no further message to a member as it is made."""
        self.live.pop(member, None)
        self.in_step.remove(member)

    def covers(self, version: int) -> bool:
        """Whether members that have everything up to this version can enter."""
        return self.is_over or self.ring.dropped_version <= version

    def take(self, member: Member) -> SharedMessage | None:
        """Return the next message of a member that is behind; None when there is none yet.

        When messages were dropped that it needs, it gets the state in their place.
        """
        while True:
            if self.ring.misses(member.number, member.version) and not self.is_over:
                self._lag(member)
                return None
            entry = self.ring.next(member.number)
            if entry is None:
                return None
            is_old = entry.number <= member.remade_until
            if is_old and entry.version is not None and entry.version <= member.version:
                member.number = entry.number
                continue
            if entry.key is not None and (is_old or entry.message is None):
                member.number = entry.number
                self.outdated[entry.key] = entry.received
                self.interrupt()
                continue
            if is_old and entry.received is None:
                self._lag(member)
                return None
            if is_old or entry.message is None:
                member.state = State.JOINING
                self.stripped.setdefault(entry.number, []).append(member)
                self.interrupt()
                return None
            member.number = entry.number
            payload = self._payload_for(member, entry, entry.message)
            if payload is not None:
                if not self.spend(1):
                    member.unpaid += 1
                if entry.occurred_at is not None:
                    self.streams.observer.delivered(entry.occurred_at, 1)
                return payload

    def _lag(self, member: Member) -> None:
        """Send a member the state in place of the messages that it has not taken yet."""
        member.state = State.JOINING
        self.lagging.append(member)
        self.interrupt()

    def resume(self, member: Member) -> bool:
        """Make a member live that has taken all messages; return whether it is."""
        if member.state is not State.BEHIND or not member.outlet.is_direct or member.inbox or member.unpaid:
            return False
        if self.outdated:  # it may still need what is made again
            return False
        member.state = State.LIVE
        self.others.discard(member)
        if member.plain:
            self.in_step.add(member)
        else:
            self.live[member] = None
        self._clear()
        return True

    def spend(self, messages: int) -> bool:
        """Spend the cost of messages; return whether the rate limit permits it. All members are the same caller."""
        try:
            self.streams.rate_limiter.spend_for(self.asked.caller, self.asked.cost * messages)
        except TooManyRequests:
            return False
        return True

    async def spend_when_available(self) -> None:
        """Wait until the rate limit permits one message, and spend its cost."""
        while True:
            try:
                return self.streams.rate_limiter.spend_for(self.asked.caller, self.asked.cost)
            except TooManyRequests as limited:
                await asyncio.sleep(max(1.0, limited.retry_after_seconds))

    def hand(self, member: Member, payloads: list[SharedMessage], *, has_spent: bool) -> None:
        """Send messages to one member only, its first one with the cost; none once it has left or its stream ends."""
        if member.state is not State.JOINING:
            return
        if not member.has_first and payloads:
            member.has_first = True
            payloads = [payloads[0].first(self.asked.extensions), *payloads[1:]]
        member.hand(payloads)
        if not has_spent:
            member.unpaid += len(payloads)
            member.wake()

    def continue_with(self, member: Member) -> None:
        """Let a member continue with the messages of the group."""
        if member.state is not State.LEFT:
            member.state = State.COMPLETE if self.is_complete else State.BEHIND
            if member.pumping or self.ring.next(member.number) is not None or not self.resume(member):
                member.wake()

    def _clear(self) -> None:
        """Empty the ring when no member can need it: none is behind, or may still fall behind in this round."""
        if not self.others and not self._is_sending:
            self.ring.clear()

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

    def end(self, members: Iterable[Member], result: ExecutionResult | None = None) -> None:
        """End the streams of members, with a result if given."""
        for member in members:
            if member.state is not State.LEFT and not member.has_last:
                self.forget_live(member)
                self.others.add(member)
                member.state = State.COMPLETE
                member.inbox = None
                member.unpaid = 0
                if result is not None:
                    member.codes = codes_of(result.errors)
                    member.hand([result])
                member.wake()

    def interrupt(self) -> None:
        """Let the group look at its members."""
        if self.source is not None:
            self.source.interrupt()
