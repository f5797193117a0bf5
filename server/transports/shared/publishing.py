"""How the messages of a group get to its members."""

import asyncio
from collections.abc import Callable, Sequence

from server.transports.shared.in_step import CHUNK
from server.transports.shared.member import Member, State
from server.transports.shared.members import Members
from server.transports.shared.message import SharedMessage
from server.transports.shared.pace import Made
from server.transports.shared.ring import Entry
from server.transports.shared.source import Value


class Publishing(Members):
    """Writes each message to the members that are live, and keeps it for the others."""

    async def publish(self, made: Sequence[Made], *, again: bool = False) -> None:
        """Send values to all members; those that were made `again` only to members that are behind."""
        if not made:
            return
        entries = [self._add(value, message) for value, message in made]
        last = entries[-1].number
        live: tuple[Member, ...] = tuple(self.live)
        receivers = 0 if again else len(live) + len(self.in_step)
        has_spent = not receivers or self.spend(receivers * len(made))
        self._is_sending = True
        if again:
            self.in_step.skip(last)
            for member in live:
                member.number = last
        elif has_spent:
            await self._write_in_step(last, made)
            await self._write_to(live, entries, made, has_spent=True)
        else:
            await self._write_to((*live, *self.in_step), entries, made, has_spent=False)
        for _, message in made:
            message.compact()
        self._observe(made, receivers)
        self._is_sending = False
        self._clear()

    def publish_at_once(self, made: Sequence[Made]) -> None:
        """Send values to all members when `is_steady`, as `publish` does."""
        if not self.spend(len(self.in_step.blocks[0].writes) * len(made)):
            self._publish_unpaid(made)
            return
        sent, failed = self.in_step.write_at_once(self.ring.number + len(made), len(made), _frames(made))
        if failed:
            for value, message in made:
                self._add(value, message)
            for member in failed:
                self._fall_behind(member)
        else:
            self.ring.skip(len(made), made[-1].value.version)
        if sent:
            self.streams.observer.sent(sent)
        self._observe(made, sent // len(made))

    def _publish_unpaid(self, made: Sequence[Made]) -> None:
        members = tuple(self.in_step)
        entries = [self._add(value, message) for value, message in made]
        for member in members:
            self._write_each(member, entries, made, has_spent=False)
        self._observe(made, len(members))

    def _observe(self, made: Sequence[Made], receivers: int) -> None:
        for value, _ in made:
            if value.occurred_at is not None and receivers:
                self.streams.observer.delivered(value.occurred_at, receivers)

    def _add(self, value: Value, message: SharedMessage) -> Entry:
        """Add a message to the ring for members that are behind. What they need of those that it outdates is made
        again: a message with a key must not follow a newer one without."""
        entry = Entry(self.ring.number + 1, message, value.version, value.key, value.received, value.occurred_at)
        behind = [member for member in self.others if member.state is State.BEHIND]
        needing = [*behind, *(member for members in self.stripped.values() for member in members)]
        for old in self.ring.add(entry):
            if old.key is not None and any(member.number < old.number for member in needing):
                self.outdated[old.key] = old.received
        if entry.key is not None:
            self.outdated.pop(entry.key, None)
        for member in behind:
            member.wake()
        return entry

    async def _write_in_step(self, last: int, made: Sequence[Made]) -> None:
        """Write messages to the members in step, in as few steps for each as possible."""
        sent = await self.in_step.write(last, len(made), _frames(made), self._fall_behind)
        if sent:
            self.streams.observer.sent(sent)

    async def _write_to(
        self, members: Sequence[Member], entries: Sequence[Entry], made: Sequence[Made], *, has_spent: bool
    ) -> None:
        """Write messages to live members one by one."""
        for index, member in enumerate(members):
            if index and not index % CHUNK:
                await asyncio.sleep(0)
            self._write_each(member, entries, made, has_spent=has_spent)

    def _write_each(self, member: Member, entries: Sequence[Entry], made: Sequence[Made], *, has_spent: bool) -> None:
        """Write messages to a live member one by one, until it falls behind."""
        self.in_step.remove(member)
        for entry, (_, message) in zip(entries, made, strict=True):
            if member.state is State.LIVE and member.number < entry.number:
                self._write(member, entry, message, has_spent=has_spent)
        if member.state is State.LIVE and member.plain and member.block is None:
            self.live.pop(member, None)
            self.in_step.add(member)

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
            member.count_sent(payload is not None)
            if not has_spent and payload is not None:
                member.unpaid += 1
                self._fall_behind(member)
        else:
            member.has_first, member.last = before
            self._fall_behind(member)

    def _fall_behind(self, member: Member) -> None:
        if member.state is State.LIVE:
            member.state = State.BEHIND
            self.forget_live(member)
            self.others.add(member)
        member.wake()


def _frames(made: Sequence[Made]) -> Callable[[bytes], bytes]:
    """Return what makes the frames of messages for a prefix."""

    def together(prefix: bytes) -> bytes:
        return b"".join([message.frame(prefix) for _, message in made])

    return made[0].message.frame if len(made) == 1 else together
