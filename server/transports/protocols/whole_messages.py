"""Text messages that arrived whole, in one frame, which are read past the parser of the websocket library.

Nearly all messages arrive so, and the parser, which can stop within each frame, takes seven times as long. Whatever
else arrives is left to the parser, which must be between two messages.

Tried with websockets 17.4; tests/unit/test_framework_internals.py fails when what is used here changes.
"""

from types import GeneratorType
from typing import Any, Final, NamedTuple, cast

from websockets.frames import apply_mask  # pyright: ignore[reportPrivateImportUsage] # the fastest that is installed
from websockets.protocol import Protocol, State
from websockets.streams import StreamReader

# Of a frame (RFC 6455, section 5.2): FIN and the opcode of text, the bit of a mask, the bits of the length.
_TEXT: Final = 0x81
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_MASK_BYTES: Final = 4
_AT_EOF: Final = StreamReader.at_eof.__code__


class WholeText(NamedTuple):
    """A message at the beginning of the input, and where it ends."""

    text: str
    end: int


def whole_text(received: bytearray, most_bytes: int) -> WholeText | None:
    """Return the text message with which the input begins, which may have `most_bytes`; None if the parser has to read
    what is there."""
    if len(received) < 2 + _MASK_BYTES or received[0] != _TEXT or not received[1] & _MASKED:
        return None
    size, begin = received[1] & _LENGTH, 2 + _MASK_BYTES
    if size == _TWO_BYTES:
        size, begin = int.from_bytes(received[2:4], "big"), 4 + _MASK_BYTES
    elif size == _EIGHT_BYTES:
        return None
    end = begin + size
    if len(received) < end or size > most_bytes:
        return None
    try:
        return WholeText(apply_mask(received[begin:end], received[begin - _MASK_BYTES : begin]).decode(), end)
    except UnicodeDecodeError:
        return None


def is_between_messages(connection: Protocol) -> bool:
    """Return whether the next byte is the first one of a message, on a connection that is open."""
    # Between two frames the parser waits in the only step that looks whether there is anything.
    waits_in = cast("GeneratorType[Any, Any, Any]", connection.parser).gi_yieldfrom
    return (
        waits_in is not None
        and cast("GeneratorType[Any, Any, Any]", waits_in).gi_code is _AT_EOF
        and connection.current_size is None
        and connection.state is State.OPEN
    )
