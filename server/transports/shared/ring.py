"""The last messages of a group, for subscribers that are behind."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.transports.shared.message import SharedMessage

RING_BYTES: Final = 65_536
"""The messages that are kept for slow subscribers of one group, in bytes; those before are made again when a subscriber
takes them."""


@dataclass(eq=False, slots=True)
class Entry:
    """One message of a group."""

    number: int
    """Counts the messages of the group."""
    message: SharedMessage | None
    """None for one that has to be made again, from `received`."""
    version: int | None = None
    key: str | None = None
    received: object = None
    occurred_at: datetime | None = None

    @property
    def size(self) -> int:
        """The bytes of the message."""
        return 0 if self.message is None else len(self.message.body)


class Ring:
    """The messages that some subscriber may still have to get: of those with a key only the newest, and only until a
    message without a key follows."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: list[Entry] = []
        self._bytes = 0
        self._keyed: dict[str, Entry] = {}
        self._keyed_bytes = 0
        self.number = 0
        # The last dropped message, and its version or that of a message before it.
        self._dropped = 0
        self.dropped_version = 0

    def begin(self, version: int) -> None:
        """Set the version before the first message."""
        self.dropped_version = version

    def add(self, entry: Entry) -> list[Entry]:
        """Add the newest message. Return those with a key that it outdates."""
        self.number = entry.number
        if entry.key is not None:
            replaced = self._keyed.pop(entry.key, None)
            self._keyed_bytes += entry.size - (0 if replaced is None else replaced.size)
            self._keyed[entry.key] = entry
            if self._keyed_bytes > RING_BYTES:
                self._keyed_bytes = _stripped(list(self._keyed.values()), self._keyed_bytes)
            return []
        outdated = list(self._keyed.values())
        self._clear_keyed()
        self._entries.append(entry)
        self._bytes += entry.size
        while len(self._entries) > self.limit:
            self._drop(1)
        if self._bytes > RING_BYTES:
            self._bytes = _stripped(self._entries, self._bytes)
        return outdated

    def skip(self, messages: int, version: int | None) -> None:
        """Count new messages that no subscriber can need any more, when there are none before them. `version`: that of
        the last one, if it has any."""
        self._dropped = self.number = self.number + messages
        if version is not None:
            self.dropped_version = version

    def clear(self) -> None:
        """Drop everything: no subscriber is behind."""
        self._clear_keyed()
        if self._entries:
            self._drop(len(self._entries))

    def misses(self, number: int, version: int) -> bool:
        """Return whether a subscriber with this message and version needs a message that was dropped."""
        return number < self._dropped and version < self.dropped_version

    def next(self, number: int) -> Entry | None:
        """Return the message to send after this one, if any."""
        index = bisect_right(self._entries, number, key=_number)
        if index < len(self._entries):
            return self._entries[index]
        return next((entry for entry in self._keyed.values() if entry.number > number), None)

    def _drop(self, count: int) -> None:
        last = self._entries[count - 1]
        self._dropped = last.number
        if last.version is not None:
            self.dropped_version = last.version
        self._bytes -= sum(entry.size for entry in self._entries[:count])
        del self._entries[:count]

    def _clear_keyed(self) -> None:
        self._keyed.clear()
        self._keyed_bytes = 0


def _stripped(entries: Sequence[Entry], size: int) -> int:
    """Drop the oldest messages, but not what they are made from, until the others are small enough; return their bytes.

    Of those with a key, the newest are made in their place.
    """
    for entry in entries[:-1]:
        if size <= RING_BYTES:
            break
        if entry.message is not None and entry.received is not None:
            size -= entry.size
            entry.message = None
    return size


def _number(entry: Entry) -> int:
    return entry.number
