"""Floods of websocket frames of a few bytes: each is legal, or costs more to parse than to send."""

from typing import NamedTuple

FRAMES = 400_000

_MASK = bytes(4)
_PING, _PONG, _TEXT, _BINARY, _CONTINUATION = 0x89, 0x8A, 0x81, 0x82, 0x00
_FIRST_FRAGMENT = bytes([0x01, 0x80]) + _MASK
_COMPRESSED_TEXT = 0xC1


class Flood(NamedTuple):
    """Bytes to send, and the codes of the close frame that may end them."""

    data: bytes
    codes: tuple[int, ...]


def frame(head: int, payload: bytes = b"") -> bytes:
    """One frame of a client, with a mask of zeros."""
    return bytes([head, 0x80 | len(payload)]) + _MASK + payload


FLOODS = {
    "pings": Flood(frame(_PING) * FRAMES, (1008,)),
    "pings with a payload": Flood(frame(_PING, b"x" * 125) * (FRAMES // 20), (1008,)),
    "unsolicited pongs": Flood(frame(_PONG) * FRAMES, (1008,)),
    "pings between fragments": Flood(_FIRST_FRAGMENT + (frame(_PING) + frame(_CONTINUATION)) * (FRAMES // 2), (1008,)),
    "empty fragments": Flood(_FIRST_FRAGMENT + frame(_CONTINUATION) * FRAMES, (1008,)),
    "fragments of one byte": Flood(_FIRST_FRAGMENT + frame(_CONTINUATION, b" ") * FRAMES, (1008,)),
    "messages": Flood(frame(_TEXT, b'{"type":"pong"}') * (FRAMES // 8), (1013,)),
    "empty messages": Flood(frame(_TEXT) * FRAMES, (1013, 4400)),
    "empty binary messages": Flood(frame(_BINARY) * FRAMES, (1013, 4400)),
    "compressed messages": Flood(frame(_COMPRESSED_TEXT, b"x") * FRAMES, (1002,)),
    "close frames": Flood(frame(0x88, (1000).to_bytes(2)) * FRAMES, (1000,)),
}
