"""Floods of websocket frames of a few bytes: each is legal, or costs more to parse than to send."""

from typing import NamedTuple

FRAMES = 400_000

_MASK = bytes(4)
_PING, _PONG, _TEXT, _BINARY, _CONTINUATION = 0x89, 0x8A, 0x81, 0x82, 0x00
_FIRST_FRAGMENT = bytes([0x01, 0x80]) + _MASK
_COMPRESSED_TEXT = 0xC1

TOO_MANY_CONTROL_FRAMES = (1008, "Too many control frames")
TOO_MANY_FRAGMENTS = (1008, "A message may have at most 256 fragments")
TOO_MANY_MESSAGES = (1013, "Too many messages; retry after 1 s")
COMPRESSED = (1002, "reserved bits must be 0")
CLOSED = (1000, "")


class Flood(NamedTuple):
    """Bytes to send, and the code and reason of the close frame that ends them."""

    data: bytes
    closing: tuple[int, str]


def frame(head: int, payload: bytes = b"") -> bytes:
    """One frame of a client, with a mask of zeros."""
    return bytes([head, 0x80 | len(payload)]) + _MASK + payload


FLOODS = {
    "pings": Flood(frame(_PING) * FRAMES, TOO_MANY_CONTROL_FRAMES),
    "pings with a payload": Flood(frame(_PING, b"x" * 125) * (FRAMES // 20), TOO_MANY_CONTROL_FRAMES),
    "unsolicited pongs": Flood(frame(_PONG) * FRAMES, TOO_MANY_CONTROL_FRAMES),
    "pings between fragments": Flood(
        _FIRST_FRAGMENT + (frame(_PING) + frame(_CONTINUATION)) * (FRAMES // 2), TOO_MANY_CONTROL_FRAMES
    ),
    "empty fragments": Flood(_FIRST_FRAGMENT + frame(_CONTINUATION) * FRAMES, TOO_MANY_FRAGMENTS),
    "fragments of one byte": Flood(_FIRST_FRAGMENT + frame(_CONTINUATION, b" ") * FRAMES, TOO_MANY_FRAGMENTS),
    "empty messages": Flood(frame(_TEXT) * FRAMES, TOO_MANY_MESSAGES),
    "empty binary messages": Flood(frame(_BINARY) * FRAMES, TOO_MANY_MESSAGES),
    "compressed messages": Flood(frame(_COMPRESSED_TEXT, b"x") * FRAMES, COMPRESSED),
    "close frames": Flood(frame(0x88, (1000).to_bytes(2)) * FRAMES, CLOSED),
}
