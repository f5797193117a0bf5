"""graphql-transport-ws: floods of small frames cost the server no more than the frames within the limits."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from server.transports.limits import TransportLimits
from server.transports.protocols.websocket_protocol import WebSocketProtocol
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served, idle
from tests.support.waiting import eventually
from tests.support.websocket_floods import FLOODS, FRAMES, Flood, frame
from tests.support.websocket_peer import dial
from tests.transports.conftest import Start
from tests.transports.log_records import warnings_in

# A burst, and next to nothing later, however long the test takes.
LIMITS = TransportLimits(frames_per_second=0.001, control_frames_per_second=0.001)
MOST_FRAMES = LIMITS.frames_burst + LIMITS.control_frames_burst + 1_024 // len(frame(0))


@pytest.fixture
def sample() -> Sample:
    return Sample(limits=LIMITS)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """The frames that the server has parsed."""
    frames: list[Frame] = []
    receive = ServerProtocol.recv_frame

    def recording(protocol: ServerProtocol, received: Frame) -> None:
        frames.append(received)
        receive(protocol, received)

    monkeypatch.setattr(ServerProtocol, "recv_frame", recording)
    return frames


@pytest.mark.parametrize("init", [True, False], ids=["initialised", "fresh"])
@pytest.mark.parametrize("flood", FLOODS.values(), ids=[name.replace(" ", "_") for name in FLOODS])
async def test_flood_of_frames_is_closed_before_it_is_parsed(
    served: Served, parsed: list[Frame], log: pytest.LogCaptureFixture, flood: Flood, init: bool
) -> None:
    """Of 400,000 frames at once only those within the limits are parsed, and the peer reads the close frame."""
    assert len(flood.data) >= FRAMES
    async with dial(served, init=init) as peer:
        peer.socket.transport.write(flood.data)
        assert (await peer.closing())[0] in flood.codes
    await idle(served)
    assert len(parsed) <= MOST_FRAMES
    assert warnings_in(log) == []


async def test_flood_of_frames_after_a_close_is_not_parsed(served: Served, parsed: list[Frame]) -> None:
    """The server has sent a close frame, and the peer continues to send without reading it."""
    async with dial(served) as peer:
        peer.socket.transport.pause_reading()
        await peer.socket.send("nonsense")
        (protocol,) = served.server.server_state.connections
        assert isinstance(protocol, WebSocketProtocol)
        await eventually(lambda: protocol.close_sent)
        peer.socket.transport.write(FLOODS["pings"].data)
        await eventually(lambda: len(parsed) > LIMITS.control_frames_burst)
        peer.socket.transport.resume_reading()
        assert (await peer.closing())[0] == 4400
    await idle(served)
    assert len(parsed) <= MOST_FRAMES


@pytest.mark.parametrize("stream", [False, True], ids=["messages", "stream"])
async def test_breach_ends_the_websocket_without_an_error_in_the_log(
    start: Start, log: pytest.LogCaptureFixture, stream: bool
) -> None:
    """The close frame is sent while messages that came before the breach, or values of a stream, wait for a turn."""
    served = await start(Sample(limits=TransportLimits(frames_burst=10, frames_per_second=0.001)))
    async with dial(served) as peer:
        if stream:
            await peer.subscribe("subscription { flood }")
            await peer.receive()
        ping = b'{"type":"ping"}'
        peer.socket.transport.write(frame(0x81, ping) * (1_000 // len(frame(0x81, ping))))
        assert await peer.closing() == (1013, "Too many messages; retry after 1 s")
    await idle(served)
    assert warnings_in(log) == []


async def test_messages_and_fragments_within_the_limits_are_accepted(served: Served) -> None:
    """Accepted are 200 messages at once, and on another websocket one message of 256 fragments."""
    async with dial(served) as peer:
        for number in range(199):
            await peer.send("ping", payload={"n": number})
        for number in range(199):
            assert (await peer.receive())["payload"] == {"n": number}
    async with dial(served) as peer:
        text = '{"type": "ping"}'.ljust(255)
        await peer.socket.send(list(text), text=True)  # the last frame is an empty one
        assert await peer.receive() == {"type": "pong"}


async def test_pongs_to_pings_of_the_server_are_not_limited(start: Start, parsed: list[Frame]) -> None:
    """The pongs are many more than the limit of control frames."""
    limits = TransportLimits(keep_alive_seconds=0.001, control_frames_burst=2, control_frames_per_second=0.001)
    served = await start(Sample(limits=limits))
    async with dial(served) as peer:
        await eventually(lambda: sum(each.opcode is Opcode.PONG for each in parsed) > 30)
        await peer.send("ping")
        assert await peer.receive() == {"type": "pong"}
