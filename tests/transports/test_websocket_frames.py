"""graphql-transport-ws: invalid, fragmented and oversized messages."""

import asyncio
import json

import pytest

from server.transports.closing import CloseCode
from server.transports.limits import TransportLimits
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.websocket_peer import dial
from tests.transports.conftest import Start
from tests.transports.log_records import warnings_in


class TestInvalidMessage:
    @pytest.mark.parametrize(
        ("frame", "reason"),
        [
            ("", "Message is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
            ("{", None),
            ("nonsense", None),
            ("[" * 100_000, "Message is nested too deeply"),
            ('{"type": "ping", "payload": {"n": ' + "[" * 900 + "]" * 900 + "}}", "Message is nested too deeply"),
            ('{"type": "ping", "payload": {"n": NaN}}', "Message contains a number that is out of range"),
            (
                '{"type": "ping", "payload": {"n": ' + "9" * 5_000 + "}}",
                "Message contains a number that is out of range",
            ),
            ('{"type": "ping", "payload": {"n": "\\udc00"}}', "Message contains an unpaired surrogate"),
            ("null", "Message must be a JSON object"),
            ("42", "Message must be a JSON object"),
            ('"ping"', "Message must be a JSON object"),
            ('[{"type": "ping"}]', "Message must be a JSON object"),
            ("{}", "Message must have a `type`"),
            ('{"type": 1}', "Message must have a `type`"),
            ('{"type": null}', "Message must have a `type`"),
            ('{"type": ["ping"]}', "Message must have a `type`"),
            ('{"type": "start", "id": "1", "payload": {}}', "Unexpected message of type 'start'"),
            ('{"type": "next", "id": "1", "payload": {}}', "Unexpected message of type 'next'"),
            ('{"type": "connection_ack"}', "Unexpected message of type 'connection_ack'"),
            ('{"type": "' + "é" * 200 + '"}', None),
            ('{"type": "connection_init", "payload": "token"}', "Message `payload` must be an object or null"),
            ('{"type": "connection_init", "payload": []}', "Message `payload` must be an object or null"),
            ('{"type": "ping", "payload": 1}', "Message `payload` must be an object or null"),
            ('{"type": "pong", "payload": false}', "Message `payload` must be an object or null"),
            ('{"type": "subscribe"}', "Message `id` must be a string of at least one character"),
            ('{"type": "subscribe", "id": 1}', "Message `id` must be a string of at least one character"),
            ('{"type": "subscribe", "id": ""}', "Message `id` must be a string of at least one character"),
            ('{"type": "complete"}', "Message `id` must be a string of at least one character"),
            ('{"type": "complete", "id": null}', "Message `id` must be a string of at least one character"),
            ('{"type": "subscribe", "id": "1"}', "Message `payload`: A GraphQL request is a JSON object"),
            (
                '{"type": "subscribe", "id": "1", "payload": null}',
                "Message `payload`: A GraphQL request is a JSON object",
            ),
            (
                '{"type": "subscribe", "id": "1", "payload": {}}',
                "Message `payload`: The parameter `query` must be a string",
            ),
            (
                '{"type": "subscribe", "id": "1", "payload": {"query": {}}}',
                "Message `payload`: The parameter `query` must be a string",
            ),
            (
                '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}}',
                "Message `payload`: The parameter `variables` must be an object or null",
            ),
            (
                '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "operationName": 1}}',
                "Message `payload`: The parameter `operationName` must be a string or null",
            ),
            (
                '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "extensions": "x"}}',
                "Message `payload`: The parameter `extensions` must be an object or null",
            ),
            (b"\x00\x01", "Message must be text in UTF-8"),
            (b'{"type": "ping"}', "Message must be text in UTF-8"),
        ],
    )
    @pytest.mark.parametrize("init", [True, False], ids=["initialised", "fresh"])
    async def test_malformed_frame_closes_the_websocket_with_4400_and_a_reason(
        self,
        served: Served,
        sample: Sample,
        log: pytest.LogCaptureFixture,
        frame: str | bytes,
        reason: str | None,
        init: bool,
    ) -> None:
        """Never with 1006 or 1011, and without a warning in the log."""
        async with dial(served, init=init) as peer:
            await peer.socket.send(frame)
            code, actual_reason = await peer.closing()
        assert code == 4400
        assert actual_reason == reason if reason else actual_reason
        assert warnings_in(log) == []

    async def test_text_frame_that_is_not_utf_8_closes_with_4400(
        self, served: Served, log: pytest.LogCaptureFixture
    ) -> None:
        """uvicorn itself would log a traceback."""
        async with dial(served) as peer:
            await peer.socket.send(b'{"type": "\xc3\x28"}', text=True)
            assert await peer.closing() == (4400, "Message must be text in UTF-8")
        assert warnings_in(log) == []

    async def test_fragmented_message_is_reassembled(self, served: Served) -> None:
        """Even when the fragments split a character."""
        text = json.dumps({"type": "ping", "payload": {"x": "é"}}, ensure_ascii=False).encode()
        cut = text.index("é".encode()) + 1
        async with dial(served) as peer:
            await peer.socket.send([text[:cut], text[cut:]], text=True)
            assert await peer.receive() == {"type": "pong", "payload": {"x": "é"}}

    @pytest.mark.parametrize("size", [300_000, 3_000_000])
    async def test_message_over_the_limit_closes_with_1009(self, served: Served, size: int) -> None:
        """At once (RFC 6455)."""
        async with dial(served) as peer, asyncio.timeout(TIMEOUT_SECONDS):
            await peer.send("ping", payload={"x": "x" * size})
            assert (await peer.closing())[0] == CloseCode.MESSAGE_TOO_BIG

    async def test_frame_header_over_the_limit_closes_with_1009(self, served: Served) -> None:
        """The announced length is enough; no memory is allocated for the payload."""
        announcement = bytes([0x81, 0xFF]) + (1_000_000).to_bytes(8) + bytes(4)
        async with dial(served) as peer, asyncio.timeout(TIMEOUT_SECONDS):
            peer.socket.transport.write(announcement)
            assert (await peer.closing())[0] == CloseCode.MESSAGE_TOO_BIG

    async def test_message_limit_does_not_depend_on_the_server(self, start: Start) -> None:
        """The endpoint checks it too, when the server below accepts more."""
        served = await start(Sample(limits=TransportLimits(message_bytes=100)))
        served.server.config.ws_max_size = 1_000_000
        async with dial(served) as peer:
            await peer.send("ping", payload={"x": "x" * 200})
            assert await peer.closing() == (CloseCode.MESSAGE_TOO_BIG, "Message too big")

    async def test_message_of_the_maximum_size_is_accepted(self, served: Served) -> None:
        """256 KiB."""
        text = json.dumps({"type": "ping", "payload": {"x": ""}})
        async with dial(served) as peer:
            await peer.socket.send(text.replace('""', f'"{"x" * (262_144 - len(text))}"'))
            assert (await peer.receive())["type"] == "pong"

    async def test_malformed_frame_ends_the_subscriptions_of_the_websocket(
        self, served: Served, sample: Sample
    ) -> None:
        """Their generators are closed."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { forever }")
            await sample.probe.until(live=1)
            await peer.socket.send("nonsense")
            await sample.probe.until(live=0)
