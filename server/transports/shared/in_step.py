"""The members of a group that have the same messages and get each further one unchanged.

A message to thousands of sockets takes as long as the memory that it touches, most of which is in no cache: beside the
socket's own, a block touches one function a member. What is the same for all of its members is kept once.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from server.transports.shared.member import Member

CHUNK: Final = 200
"""The sockets that are written to before other tasks get their turn: about a millisecond. With fewer, changes that
follow each other quickly are made while one is written, and more latest values are left out."""


class Block:
    """At most CHUNK members."""

    __slots__ = ("number", "prefix", "sent", "writes")

    def __init__(self, number: int, prefix: bytes) -> None:
        self.number = number
        """The number of the last message that all have."""
        self.prefix: bytes | None = prefix
        """The beginning of the messages of all of them; None when they differ."""
        self.sent = 0
        """The messages that were sent to each since there is the block."""
        self.writes: dict[Member, Callable[[bytes], bool]] = {}

    def write(self, number: int, messages: int, frames: Callable[[bytes], bytes]) -> list["Member"]:
        """Write the messages up to a number, of which `frames` makes the frames for a prefix. Return the members whose
        sockets did not take them, without their places in the block."""
        if self.prefix is None:
            taken = [write(frames(member.prefix)) for member, write in self.writes.items()]
        else:
            data = frames(self.prefix)
            taken = [write(data) for write in self.writes.values()]
        failed = [] if all(taken) else list(compress(self.writes, map(not_, taken)))
        for member in failed:
            self.remove(member)
        self.number = number
        self.sent += messages
        return failed

    def add(self, member: "Member") -> None:
        """Add a member that has all messages up to `number`."""
        if member.prefix != self.prefix:
            self.prefix = None
        self.writes[member] = member.outlet.write_frames
        member.block = self
        member.sent -= self.sent

    def remove(self, member: "Member") -> None:
        """Give a member its own numbers again."""
        del self.writes[member]
        member.block = None
        member.number = self.number
        member.sent += self.sent


class InStep:
    """All blocks of a group; none is empty."""

    __slots__ = ("blocks",)

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def __len__(self) -> int:
        return sum(len(block.writes) for block in self.blocks)

    def __iter__(self) -> Iterator["Member"]:
        return (member for block in self.blocks for member in block.writes)

    def add(self, member: "Member") -> None:
        """Add a live member that gets every further message unchanged."""
        for block in self.blocks:
            if block.number == member.number and len(block.writes) < CHUNK:
                break
        else:
            block = Block(member.number, member.prefix)
            self.blocks.append(block)
        block.add(member)

    def remove(self, member: "Member") -> None:
        """Remove a member, unless it is not here."""
        block = member.block
        if block is not None:
            block.remove(member)
            self._drop_empty(block)

    def write_at_once(self, number: int, messages: int, frames: Callable[[bytes], bytes]) -> tuple[int, list["Member"]]:
        """As `write`, to the only block there is. Return the number of messages that were sent, and the members whose
        sockets did not take them."""
        (block,) = self.blocks
        return self._write(block, number, messages, frames)

    def skip(self, number: int) -> None:
        """Count the messages up to a number as sent: those who are here need none of them."""
        for block in self.blocks:
            block.number = number

    async def write(
        self, number: int, messages: int, frames: Callable[[bytes], bytes], failed: Callable[["Member"], None]
    ) -> int:
        """Write the messages up to a number to all, in turns with other tasks.

        `frames` makes the frames for a prefix. `failed` gets the members whose sockets did not take them, which are
        here no longer. Return the number of messages that were sent.
        """
        sent = in_turn = 0
        for block in tuple(self.blocks):
            if not block.writes:
                continue
            if in_turn and in_turn + len(block.writes) > CHUNK:
                in_turn = 0
                await asyncio.sleep(0)
            in_turn += len(block.writes)
            written, refused = self._write(block, number, messages, frames)
            sent += written
            for member in refused:
                failed(member)
        return sent

    def _write(
        self, block: Block, number: int, messages: int, frames: Callable[[bytes], bytes]
    ) -> tuple[int, list["Member"]]:
        failed = block.write(number, messages, frames)
        sent = len(block.writes) * messages
        self._drop_empty(block)
        return sent, failed

    def _drop_empty(self, block: Block) -> None:
        if not block.writes:
            self.blocks.remove(block)
