"""One message of a shared stream, encoded once for all subscribers."""

from typing import Final

from server.transports.payloads import encode

_TEXT_FRAME: Final = 0x81
"""The first byte of an unfragmented text frame without extensions (RFC 6455, 5.2)."""


class SharedMessage:
    """The JSON of one result, and what the transports make of it."""

    __slots__ = ("_event", "_first", "_frame", "_heads", "_prefix", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._heads: dict[int, bytes] = {}
        self._prefix: bytes | None = None
        self._frame = b""
        self._event: bytes | None = None
        self._first: SharedMessage | None = None

    def frame(self, prefix: bytes) -> bytes:
        """Return the websocket frame of the `next` message that begins with this prefix; see `message_prefix`."""
        if prefix != self._prefix:
            size = len(prefix) + len(self.body) + 1
            head = self._heads.get(size)
            if head is None:
                head = self._heads[size] = frame_head(size)
            self._frame = b"%b%b%b}" % (head, prefix, self.body)
            self._prefix = prefix
        return self._frame

    def message(self, prefix: bytes) -> bytes:
        """Return the `next` message that begins with this prefix."""
        return b"%b%b}" % (prefix, self.body)

    def event(self) -> bytes:
        """Return the server-sent event."""
        if self._event is None:
            self._event = b"event: next\ndata: %b\n\n" % self.body
        return self._event

    def compact(self) -> None:
        """Forget what can be made from the JSON again: most subscribers have been sent it."""
        self._prefix = self._event = self._first = None
        self._frame = b""
        self._heads.clear()

    def first(self, extensions: bytes | None) -> "SharedMessage":
        """Return this message as the first one of a subscriber, with `extensions` if given: the JSON of an object."""
        if extensions is None:
            return self
        if self._first is None:
            self._first = SharedMessage(b'%b,"extensions":%b}' % (self.body[:-1], extensions))
        return self._first


def message_prefix(operation_id: str) -> bytes:
    """Return the beginning of a `next` message, up to its payload."""
    return b'{"id":%b,"type":"next","payload":' % encode(operation_id)


def frame_head(size: int) -> bytes:
    """Return the head of an unmasked text frame with this number of bytes (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((_TEXT_FRAME, size))
    if size < 65_536:
        return bytes((_TEXT_FRAME, 126)) + size.to_bytes(2, "big")
    return bytes((_TEXT_FRAME, 127)) + size.to_bytes(8, "big")
