"""A large file of sound, all of it silence, which is sent without being in memory."""

import struct
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

MEBIBYTE = 1 << 20
# Two channels of 16 bits.
FRAME_BYTES = 4


class Silence(NamedTuple):
    """A WAV file of this size."""

    size_bytes: int
    rate_hz: int = 48_000

    @property
    def seconds(self) -> float:
        """The length of the sound, but for that of the header."""
        return self.size_bytes / self.rate_hz / FRAME_BYTES

    def content(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes start..end."""
        head = self._header()
        if start < len(head):
            yield head[start:end]
            start = len(head)
        for at_byte in range(start, end, MEBIBYTE):
            yield bytes(min(MEBIBYTE, end - at_byte))

    async def rest(self, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` on."""
        for part in self.content(start, self.size_bytes):
            yield part

    def _header(self) -> bytes:
        rate = self.rate_hz
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, rate, rate * FRAME_BYTES, FRAME_BYTES, 16)
        head = struct.pack("<4sI4s", b"RIFF", self.size_bytes - 8, b"WAVE") + form
        return head + struct.pack("<4sI", b"data", self.size_bytes - len(head) - 8)
