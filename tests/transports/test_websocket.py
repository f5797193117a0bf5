"""graphql-transport-ws, message by message, in the order of its document."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.websockets import WebSocket
from websockets.typing import Subprotocol

from server.transports import CloseCode, CloseConnection, TransportLimits
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served
from tests.support.websocket_peer import SUBPROTOCOL, Peer, dial
from tests.transports.conftest import Start


class TestSocket:
    """Before the first message."""

    async def test_the_subprotocol_is_agreed_on(self, served: Served) -> None:
        """Among others that the client may offer."""
        async with dial(served, subprotocols=[Subprotocol("graphql-ws"), SUBPROTOCOL]) as peer:
            assert peer.socket.subprotocol == SUBPROTOCOL

    @pytest.mark.parametrize("offered", [None, [Subprotocol("graphql-ws")], [Subprotocol("soap")]])
    async def test_without_it_the_socket_closes(self, served: Served, offered: list[Subprotocol] | None) -> None:
        """The legacy subprotocol is off."""
        async with dial(served, init=False, subprotocols=offered) as peer:
            assert await peer.closing() == (4406, "Subprotocol must be graphql-transport-ws")

    async def test_nothing_is_compressed(self, served: Served) -> None:
        """Though the client offers to."""
        async with dial(served) as peer:
            assert peer.socket.response is not None
            assert "sec-websocket-extensions" not in peer.socket.response.headers


class TestConnectionInit:
    @pytest.mark.parametrize("rest", [{}, {"payload": None}, {"payload": {}}, {"payload": {"token": "x"}}])
    async def test_a_payload_is_optional(self, served: Served, rest: dict[str, Any]) -> None:
        """Absent, null or an object."""
        async with dial(served, init=False) as peer:
            await peer.send("connection_init", **rest)
            assert await peer.receive() == {"type": "connection_ack"}

    async def test_it_must_come_in_time_whatever_else_does(self, start: Start) -> None:
        """Pings do not buy time."""
        served = await start(Sample(limits=TransportLimits(init_seconds=0.2)))
        async with dial(served, init=False) as peer:
            pinging = asyncio.create_task(ping_for_ever(peer))
            assert await peer.closing() == (4408, "Connection initialisation timeout")
            pinging.cancel()

    async def test_once_is_enough(self, served: Served) -> None:
        """The second one closes the socket."""
        async with dial(served) as peer:
            await peer.send("connection_init")
            assert await peer.closing() == (4429, "Too many initialisation requests")

    async def test_the_application_hears_the_payload(self, start: Start) -> None:
        """It leaves in the state what contexts need, and may answer."""

        async def on_init(socket: WebSocket, payload: dict[str, object] | None) -> Mapping[str, object]:
            socket.state.viewer = (payload or {})["token"]
            return {"welcome": True}

        served = await start(Sample(on_init=on_init))
        async with dial(served, init=False) as peer:
            await peer.send("connection_init", payload={"token": "ada"})
            assert await peer.receive() == {"type": "connection_ack", "payload": {"welcome": True}}
            await peer.subscribe("{ viewer }")
            assert (await peer.receive())["payload"] == {"data": {"viewer": "ada"}}

    @pytest.mark.parametrize("code", [CloseCode.UNAUTHORIZED, CloseCode.FORBIDDEN])
    async def test_the_application_may_refuse(self, start: Start, code: CloseCode) -> None:
        """With the code of its choice."""

        async def on_init(socket: WebSocket, payload: dict[str, object] | None) -> None:
            raise CloseConnection(code, "Not with that token")

        served = await start(Sample(on_init=on_init))
        async with dial(served, init=False) as peer:
            await peer.send("connection_init")
            assert await peer.closing() == (code, "Not with that token")

    async def test_an_application_that_fails_lets_nobody_in(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """And tells nothing but the id of its log record."""

        async def on_init(socket: WebSocket, payload: dict[str, object] | None) -> None:
            raise RuntimeError(SECRET)

        served = await start(Sample(on_init=on_init))
        async with dial(served, init=False) as peer:
            await peer.send("connection_init")
            code, reason = await peer.closing()
        (record,) = [record for record in log.records if record.levelname == "ERROR"]
        assert (code, reason) == (4403, f"Internal error {record.__dict__['error_id']}")


class TestPing:
    @pytest.mark.parametrize("init", [True, False])
    async def test_its_payload_comes_back(self, served: Served, init: bool) -> None:
        """Before and after the initialisation."""
        async with dial(served, init=init) as peer:
            await peer.send("ping", payload={"at": [1, {"x": None}]})
            assert await peer.receive() == {"type": "pong", "payload": {"at": [1, {"x": None}]}}

    async def test_what_can_be_read_can_be_echoed(self, served: Served) -> None:
        """However deep or large."""
        payload: dict[str, Any] = {"n": 2**200}
        for _ in range(190):
            payload = {"n": payload}
        async with dial(served) as peer:
            await peer.send("ping", payload=payload)
            assert await peer.receive() == {"type": "pong", "payload": payload}

    @pytest.mark.parametrize("rest", [{}, {"payload": None}])
    async def test_without_a_payload_there_is_none(self, served: Served, rest: dict[str, Any]) -> None:
        """Null is none."""
        async with dial(served) as peer:
            await peer.send("ping", **rest)
            assert await peer.receive() == {"type": "pong"}


class TestPong:
    @pytest.mark.parametrize("rest", [{}, {"payload": None}, {"payload": {"x": 1}}])
    async def test_it_may_come_unasked(self, served: Served, rest: dict[str, Any]) -> None:
        """As a heartbeat."""
        async with dial(served) as peer:
            await peer.send("pong", **rest)
            await peer.receives_nothing_more()


class TestSubscribe:
    async def test_a_query_is_one_result(self, served: Served) -> None:
        """Then it is complete."""
        async with dial(served) as peer:
            await peer.subscribe("query($n: String!) { hello(name: $n) }", variables={"n": "you"}, operationName=None)
            assert await peer.receive() == {"id": "1", "type": "next", "payload": {"data": {"hello": "Hello you"}}}
            assert await peer.receive() == {"id": "1", "type": "complete"}

    async def test_a_mutation_is_one_result(self, served: Served, sample: Sample) -> None:
        """Just so."""
        async with dial(served) as peer:
            await peer.subscribe('mutation { write(value: "x") }')
            assert (await peer.receive())["payload"] == {"data": {"write": "x"}}
            assert (await peer.receive())["type"] == "complete"
        assert sample.probe.written == ["x"]

    async def test_a_subscription_is_many(self, served: Served) -> None:
        """In order, then it is complete."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { count(to: 3) }")
            heard = [await peer.receive() for _ in range(4)]
        assert [message.get("payload") for message in heard] == [
            {"data": {"count": 1}},
            {"data": {"count": 2}},
            {"data": {"count": 3}},
            None,
        ]
        assert heard[-1] == {"id": "1", "type": "complete"}

    async def test_before_the_acknowledgement_it_closes(self, served: Served) -> None:
        """Whatever it asks for."""
        async with dial(served, init=False) as peer:
            await peer.subscribe("{ hello }")
            assert await peer.closing() == (4401, "Unauthorized")

    async def test_an_id_in_use_closes(self, served: Served) -> None:
        """Of a query as of a subscription."""
        async with dial(served) as peer:
            await peer.subscribe("{ held }")
            await peer.subscribe("{ hello }")
            assert await peer.closing() == (4409, "Subscriber for 1 already exists")

    async def test_an_id_is_free_again_after_its_end(self, served: Served) -> None:
        """However it ended: by itself, by an error, by the client."""
        async with dial(served) as peer:
            await peer.subscribe("{ hello }")
            assert [(await peer.receive())["type"] for _ in "12"] == ["next", "complete"]
            await peer.subscribe("{")
            assert (await peer.receive())["type"] == "error"
            await peer.subscribe("subscription { forever }")
            assert (await peer.receive())["type"] == "next"
            await peer.complete()
            await peer.subscribe("{ hello }")
            assert (await peer.receive())["payload"] == {"data": {"hello": "Hello world"}}

    async def test_each_operation_has_its_own_context(self, served: Served, sample: Sample) -> None:
        """A loader's cache must not outlive the operation it was made for."""
        async with dial(served) as peer:
            for id_ in "ab":
                await peer.subscribe("{ hello }", id_)
                assert [(await peer.receive())["type"] for _ in "12"] == ["next", "complete"]
        assert sample.probe.contexts == 2

    async def test_one_too_many_is_told_so(self, start: Start) -> None:
        """By an error for its id alone; when another ends there is room again."""
        sample = Sample(limits=TransportLimits(operations_per_socket=2))
        async with dial(await start(sample)) as peer:
            for id_ in "ab":
                await peer.subscribe("subscription { forever }", id_)
                assert (await peer.receive())["type"] == "next"
            await peer.subscribe("{ hello }", "c")
            refusal = await peer.receive()
            assert (refusal["id"], refusal["type"]) == ("c", "error")
            assert refusal["payload"][0]["extensions"] == {"code": "TOO_MANY_OPERATIONS"}
            await peer.complete("a")
            await sample.probe.until(live=1)
            await peer.subscribe("{ hello }", "d")
            assert await peer.receive() == {"id": "d", "type": "next", "payload": {"data": {"hello": "Hello world"}}}

    async def test_fifty_are_not_too_many(self, served: Served, sample: Sample) -> None:
        """The fifty-first is."""
        async with dial(served) as peer:
            for number in range(51):
                await peer.subscribe("{ held }", str(number))
            refusal = await peer.receive()
            assert (refusal["id"], refusal["type"]) == ("50", "error")
            assert sample.probe.live == 50


class TestError:
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("", "GRAPHQL_PARSE_FAILED"),
            ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { forever again: forever }", "GRAPHQL_VALIDATION_FAILED"),
            ("query($n: String!) { hello(name: $n) }", "BAD_USER_INPUT"),
            ("subscription($n: Int!) { count(to: $n) }", "BAD_USER_INPUT"),
            ("query A { hello } query B { hello }", "OPERATION_RESOLUTION_FAILURE"),
        ],
    )
    async def test_a_request_error_ends_its_operation_only(self, served: Served, query: str, code: str) -> None:
        """The streams beside it live on."""
        async with dial(served) as peer:
            await peer.subscribe("{ held }", "held")
            await peer.subscribe(query)
            refusal = await peer.receive()
            assert (refusal["id"], refusal["type"]) == ("1", "error")
            assert refusal["payload"][0]["extensions"]["code"] == code
            await peer.receives_nothing_more()
            await peer.subscribe("{ hello }", "2")
            assert (await peer.receive())["payload"] == {"data": {"hello": "Hello world"}}

    async def test_an_unknown_operation_name_is_one(self, served: Served) -> None:
        """Of its id."""
        async with dial(served) as peer:
            await peer.subscribe("query A { hello }", operationName="B")
            refusal = await peer.receive()
            assert refusal["payload"][0]["message"] == 'Unknown operation named "B"'

    async def test_a_field_error_is_part_of_the_result(self, served: Served) -> None:
        """It was executed."""
        async with dial(served) as peer:
            await peer.subscribe("{ missing hello }")
            result = await peer.receive()
            assert result["type"] == "next"
            assert result["payload"]["data"] == {"missing": None, "hello": "Hello world"}
            assert result["payload"]["errors"][0]["extensions"] == {"code": "NOT_FOUND", "field": ["id"]}

    async def test_a_context_that_fails_fails_one_operation(self, served: Served) -> None:
        """Masked."""
        async with dial(served, additional_headers={"x-caller": "broken"}) as peer:
            await peer.subscribe("{ hello }")
            refusal = await peer.receive()
            assert refusal["type"] == "error"
            assert refusal["payload"][0]["extensions"]["code"] == "INTERNAL"
            await peer.receives_nothing_more()

    async def test_a_context_may_close_the_socket(self, served: Served) -> None:
        """When the caller turns out to be nobody."""
        async with dial(served, additional_headers={"x-caller": "nobody"}) as peer:
            await peer.subscribe("{ hello }")
            assert await peer.closing() == (4401, "Who are you?")


class TestComplete:
    async def test_it_ends_the_subscription(self, served: Served, sample: Sample) -> None:
        """Its generator is closed, and nothing is sent for it afterwards."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { forever }")
            await peer.receive()
            await sample.probe.until(live=1)
            await peer.complete()
            await sample.probe.until(live=0)
            await peer.receives_nothing_more()

    async def test_a_generator_may_take_its_time_to_clean_up(self, served: Served, sample: Sample) -> None:
        """Meanwhile the socket serves, and its id is free."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { reluctant }")
            await peer.receive()
            await peer.complete()
            await peer.subscribe("{ hello }")
            assert (await peer.receive())["payload"] == {"data": {"hello": "Hello world"}}
            assert sample.probe.live == 1
            sample.probe.release.set()
            await sample.probe.until(live=0)

    async def test_a_stream_is_stopped_in_mid_flow(self, served: Served, sample: Sample) -> None:
        """Though it had a message under way."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { flood }")
            await peer.receive()
            await peer.complete()
            await sample.probe.until(live=0)
            await peer.send("ping", payload={"now": True})
            while (await peer.receive()) != {"type": "pong", "payload": {"now": True}}:
                pass
            await peer.receives_nothing_more()

    async def test_a_query_is_abandoned(self, served: Served, sample: Sample) -> None:
        """Nobody waits for it."""
        async with dial(served) as peer:
            await peer.subscribe("{ held }")
            await sample.probe.until(live=1)
            await peer.complete()
            await sample.probe.until(live=0)
            await peer.receives_nothing_more()

    async def test_a_mutation_is_finished_unheard(self, served: Served, sample: Sample) -> None:
        """Half of it would be worse than all of it."""
        async with dial(served) as peer:
            await peer.subscribe('mutation { writeSlowly(value: "x") }')
            await sample.probe.until(live=1)
            await peer.complete()
            await peer.receives_nothing_more()
            sample.probe.release.set()
            await sample.probe.until(written=1)
            await peer.receives_nothing_more()

    async def test_an_unknown_id_is_ignored(self, served: Served) -> None:
        """Both sides may complete at once."""
        async with dial(served) as peer:
            await peer.complete("nobody")
            await peer.receives_nothing_more()


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
            ('{"type": "ping", "payload": {"n": ' + "9" * 5_000 + "}}", "Message contains a number that is out of range"),
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
        ids=lambda value: repr(value)[:60],
    )
    @pytest.mark.parametrize("init", [True, False], ids=["initialised", "fresh"])
    async def test_it_closes_the_socket_with_a_reason(
        self,
        served: Served,
        sample: Sample,
        log: pytest.LogCaptureFixture,
        frame: str | bytes,
        reason: str | None,
        init: bool,
    ) -> None:
        """Never with 1006 or 1011, and never with a line in the log."""
        async with dial(served, init=init) as peer:
            await peer.socket.send(frame)
            code, said = await peer.closing()
        assert code == 4400
        assert said == reason if reason else said
        assert [record for record in log.records if record.levelname in ("WARNING", "ERROR")] == []

    async def test_text_that_is_not_utf_8_is_one(self, served: Served, log: pytest.LogCaptureFixture) -> None:
        """uvicorn alone would close with a traceback."""
        async with dial(served) as peer:
            await peer.socket.send(b'{"type": "\xc3\x28"}', text=True)
            assert await peer.closing() == (4400, "Message must be text in UTF-8")
        assert [record for record in log.records if record.levelname in ("WARNING", "ERROR")] == []

    async def test_a_fragmented_message_is_whole_to_the_protocol(self, served: Served) -> None:
        """Even when a character is cut in two."""
        text = json.dumps({"type": "ping", "payload": {"x": "é"}}, ensure_ascii=False).encode()
        cut = text.index("é".encode()) + 1
        async with dial(served) as peer:
            await peer.socket.send([text[:cut], text[cut:]], text=True)
            assert await peer.receive() == {"type": "pong", "payload": {"x": "é"}}

    @pytest.mark.parametrize("size", [300_000, 3_000_000])
    async def test_a_message_over_the_limit_closes_with_1009(self, served: Served, size: int) -> None:
        """RFC 6455's own code for it, at once."""
        async with dial(served) as peer, asyncio.timeout(1):
            await peer.send("ping", payload={"x": "x" * size})
            assert (await peer.closing())[0] == CloseCode.MESSAGE_TOO_BIG

    async def test_a_message_over_the_limit_need_not_arrive(self, served: Served) -> None:
        """Its announced length is enough: nothing is kept for it."""
        announcement = bytes([0x81, 0xFF]) + (1_000_000).to_bytes(8) + bytes(4)
        async with dial(served) as peer, asyncio.timeout(1):
            peer.socket.transport.write(announcement)
            assert (await peer.closing())[0] == CloseCode.MESSAGE_TOO_BIG

    async def test_a_message_over_the_limit_is_refused_under_any_server(self, start: Start) -> None:
        """By the protocol itself, where the server below it would take more."""
        served = await start(Sample(limits=TransportLimits(message_bytes=100)))
        served.server.config.ws_max_size = 1_000_000
        async with dial(served) as peer:
            await peer.send("ping", payload={"x": "x" * 200})
            assert await peer.closing() == (CloseCode.MESSAGE_TOO_BIG, "Message too big")

    async def test_a_message_up_to_the_limit_is_taken(self, served: Served) -> None:
        """256 KiB of it."""
        text = json.dumps({"type": "ping", "payload": {"x": ""}})
        async with dial(served) as peer:
            await peer.socket.send(text.replace('""', f'"{"x" * (262_144 - len(text))}"'))
            assert (await peer.receive())["type"] == "pong"

    async def test_it_ends_the_operations_of_the_socket(self, served: Served, sample: Sample) -> None:
        """Their generators are closed."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { forever }")
            await sample.probe.until(live=1)
            await peer.socket.send("nonsense")
            await sample.probe.until(live=0)


async def ping_for_ever(peer: Peer) -> None:
    while True:
        await peer.send("ping")
        await asyncio.sleep(0.02)
