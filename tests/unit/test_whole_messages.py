"""Messages that are read past the parser of the websocket library arrive as they do through it."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

from server.transports.limits import TransportLimits
from server.transports.protocols import websocket_protocol
from server.transports.protocols.uvicorn_protocols import uvicorn_options
from server.transports.protocols.websocket_protocol import WebSocketProtocol
from server.transports.protocols.whole_messages import WholeText, whole_text

MOST_BYTES = 300
HANDSHAKE = {
    "Host": "a",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

texts = st.one_of(
    st.text(max_size=20).map(str.encode), st.sampled_from([b"x" * each for each in (125, 126, 127, 300, 301)])
)
datas = st.one_of(texts, st.binary(max_size=8))
kinds = st.sampled_from([Opcode.TEXT] * 5 + [Opcode.BINARY, Opcode.PING, Opcode.PONG, Opcode.CONT])


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    if opcode in (Opcode.PING, Opcode.PONG):
        data, fin = data[:125], True
    return Frame(opcode, data, fin=fin).serialize(mask=masked)


def fragments(parts: list[bytes]) -> bytes:
    kinds = [Opcode.TEXT, *[Opcode.CONT] * (len(parts) - 1)]
    return b"".join(
        frame(kind, part, fin=number == len(parts))
        for number, (kind, part) in enumerate(zip(kinds, parts, strict=True), 1)
    )


inputs = st.lists(
    st.one_of(
        st.builds(frame, kinds, datas),
        st.lists(datas, min_size=2, max_size=4).map(fragments),
        st.builds(frame, kinds, datas, fin=st.booleans(), masked=st.booleans()),
        st.just(frame(Opcode.CLOSE, b"\x03\xe8")),
    ),
    max_size=8,
).map(b"".join)


def no_text(_received: bytearray, _most_bytes: int) -> None:
    """Leave everything to the parser."""


class Wire(asyncio.Transport):
    """What the peer receives."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Accept it: the test sends all the same."""

    def resume_reading(self) -> None:
        """Accept it."""

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True


async def turns(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until the condition holds."""
    while not condition():  # noqa: ASYNC110 - nothing sets an event
        await asyncio.sleep(0)


async def received(pieces: list[bytes]) -> tuple[list[Any], bytes]:
    """Return the events of the application and what the peer received after its handshake."""
    events: list[Any] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while not events or events[-1]["type"] == "websocket.receive":
            events.append(await receive())

    options = uvicorn_options(TransportLimits(message_bytes=MOST_BYTES))
    config = uvicorn.Config(cast("Any", app), lifespan="off", log_config=None, **options)
    config.load()
    protocol = cast("type[WebSocketProtocol]", options["ws"])(config, ServerState(), {})
    wire = Wire()
    protocol.connection_made(wire)
    protocol.begin(Request("/", Headers(HANDSHAKE)))
    await turns(lambda: bool(wire.sent))
    wire.sent.clear()
    for piece in pieces:
        if not wire.closing:
            protocol.data_received(piece)
        for _ in range(60):  # more turns than it has messages
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    await turns(lambda: bool(events) and events[-1]["type"] == "websocket.disconnect")
    return events, b"".join(wire.sent)


@given(data=inputs, cuts=st.lists(st.integers(0, 400), max_size=4))
def test_messages_arrive_as_through_the_parser(data: bytes, cuts: list[int]) -> None:
    """In every sequence and in all pieces: also those that are cut, fragmented, too long, unmasked or not UTF-8.

    The parser drops the messages that arrive in one piece with a breach of the protocol behind them; here some of them
    are read before.
    """
    places = sorted({0, len(data), *(min(each, len(data)) for each in cuts)})
    pieces = [data[start:end] for start, end in pairwise(places)]
    here = asyncio.run(received(pieces))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(websocket_protocol, "whole_text", no_text)
        there = asyncio.run(received(pieces))
    assert (here[0][-1], here[1]) == (there[0][-1], there[1])
    if here[0][-1].get("code") in (CloseCode.PROTOCOL_ERROR, CloseCode.MESSAGE_TOO_BIG):
        assert there[0][:-1] == here[0][: len(there[0]) - 1]
    else:
        assert there[0] == here[0]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, MOST_BYTES])
@pytest.mark.parametrize("rest", [b"", b"\x81"], ids=["alone", "followed"])
def test_whole_text_is_read(size: int, rest: bytes) -> None:
    whole = frame(Opcode.TEXT, b"x" * size)
    assert whole_text(bytearray(whole + rest), MOST_BYTES) == WholeText("x" * size, len(whole))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        frame(Opcode.TEXT, b"xy")[:-1],
        frame(Opcode.TEXT, b"x" * 200)[:7],
        frame(Opcode.TEXT, b"x" * 70_000),
        frame(Opcode.TEXT, b"x" * (MOST_BYTES + 1)),
        frame(Opcode.TEXT, b"xy", masked=False) + b"0000",
        frame(Opcode.TEXT, b"xy", fin=False),
        frame(Opcode.TEXT, b"\xff"),
        frame(Opcode.BINARY, b"xy"),
        b"\xc1" + frame(Opcode.TEXT, b"xy")[1:],
    ],
    ids=["none", "cut", "cut_head", "long", "too_long", "unmasked", "fragment", "latin", "binary", "reserved_bit"],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert whole_text(bytearray(data), MOST_BYTES) is None
