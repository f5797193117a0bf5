"""What the product overrides or uses of other libraries beyond their public API is still there."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from graphql import Executor, build_schema, parse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol

from schema.enums import JobStatus
from schema.strawberry_internals import DiscreetExecution, Execution, enum_definition
from server.graphql.schema import executable_schema
from server.processes.serve import Server
from server.transports.protocols.http_protocol import HttpProtocol
from server.transports.protocols.kept_head_protocol import KeptHeadProtocol
from server.transports.protocols.websocket_protocol import WebSocketProtocol
from server.transports.protocols.whole_messages import is_between_messages
from tests.support.overridden import names_used_by, overridden, parameters_of


async def no_app(_scope: object, _receive: object, _send: object) -> None:
    """An ASGI application that no test calls."""


class TestUvicorn:
    """Those of server/transports/protocols and server/processes/serve.py."""

    @pytest.mark.parametrize(
        ("kind", "parent", "expected"),
        [
            (
                HttpProtocol,
                HttpToolsProtocol,
                {
                    "connection_made": ["transport"],
                    "connection_lost": ["exc"],
                    "data_received": ["data"],
                    "on_message_begin": [],
                    "on_url": ["url"],
                    "on_header": ["name", "value"],
                    "on_headers_complete": [],
                    "on_body": ["body"],
                    "on_message_complete": [],
                    "on_response_complete": [],
                    "pause_writing": [],
                    "resume_writing": [],
                    "_should_upgrade": [],
                },
            ),
            (
                KeptHeadProtocol,
                HttpToolsProtocol,
                {
                    "connection_made": ["transport"],
                    "data_received": ["data"],
                    "on_headers_complete": [],
                    "timeout_keep_alive_handler": [],
                },
            ),
            (
                WebSocketProtocol,
                WebSocketsSansIOProtocol,
                {
                    "connection_made": ["transport"],
                    "run_asgi": [],
                    "data_received": ["data"],
                    "receive": [],
                    "handle_text": ["event"],
                    "handle_bytes": ["event"],
                    "handle_cont": ["event"],
                    "handle_ping": [],
                    "handle_pong": ["event"],
                    "connection_lost": ["exc"],
                    "pause_writing": [],
                    "resume_writing": [],
                    "keepalive_timeout": [],
                    "shutdown": [],
                    "send": ["message"],
                    "send_receive_event_to_app": [],
                    "handle_parser_exception": [],
                },
            ),
            (
                Server,
                uvicorn.Server,
                {
                    "__init__": ["config"],
                    "startup": ["sockets"],
                    "main_loop": [],
                    "on_tick": ["counter"],
                    "capture_signals": [],
                    "shutdown": ["sockets"],
                    "serve": ["sockets"],
                    "handle_exit": ["sig", "frame"],
                },
            ),
        ],
        ids=["HttpProtocol", "KeptHeadProtocol", "WebSocketProtocol", "Server"],
    )
    def test_overridden_methods_have_the_expected_parameters_in_uvicorn(
        self, kind: type, parent: type, expected: dict[str, list[str]]
    ) -> None:
        """The table is complete: a method that uvicorn removes is no override any more and is missed here."""
        assert overridden(kind, parent) == expected

    @pytest.mark.parametrize(
        ("caller", "callee"),
        [
            (HttpToolsProtocol.on_headers_complete, "_should_upgrade"),
            (HttpToolsProtocol.on_headers_complete, "on_response_complete"),
            (HttpToolsProtocol.on_headers_complete, "pipeline"),
            (HttpToolsProtocol.on_body, "_should_upgrade"),
            (HttpToolsProtocol.on_response_complete, "_unset_keepalive_if_required"),
            (WebSocketsSansIOProtocol.handle_connect, "run_asgi"),
            (WebSocketsSansIOProtocol.send_keepalive_ping, "keepalive_timeout"),
            (WebSocketsSansIOProtocol.run_asgi, "receive"),
            (WebSocketsSansIOProtocol.data_received, "handle_events"),
            (WebSocketsSansIOProtocol.handle_events, "handle_text"),
            (WebSocketsSansIOProtocol.handle_events, "handle_bytes"),
            (WebSocketsSansIOProtocol.handle_events, "handle_cont"),
            (WebSocketsSansIOProtocol.handle_events, "handle_ping"),
            (WebSocketsSansIOProtocol.handle_events, "handle_pong"),
            (WebSocketsSansIOProtocol.handle_text, "send_receive_event_to_app"),
            (WebSocketsSansIOProtocol.handle_cont, "send_receive_event_to_app"),
            (WebSocketsSansIOProtocol.data_received, "handle_parser_exception"),
            (WebSocketsSansIOProtocol.send, "close_timer"),
            (vars(uvicorn.Server)["_serve"], "main_loop"),
            (Server.main_loop, "on_tick"),
            (uvicorn.Server.serve, "capture_signals"),
        ],
    )
    def test_uvicorn_calls_the_overridden_method(self, caller: Callable[..., object], callee: str) -> None:
        """An override that uvicorn no longer calls has no effect, and nothing else reports that."""
        assert callee in names_used_by(caller)

    def test_short_way_does_all_that_uvicorn_does_after_a_response(self) -> None:
        """`KeptHeadProtocol._write` does it by itself, except for the timer and for requests that wait."""
        assert names_used_by(HttpToolsProtocol.on_response_complete) == (
            *("server_state", "total_requests", "transport", "is_closing", "_unset_keepalive_if_required"),
            *("flow", "resume_reading", "pipeline", "pop", "_start_asgi_task"),
            *("loop", "call_later", "timeout_keep_alive", "timeout_keep_alive_handler", "timeout_keep_alive_task"),
        )
        assert "timeout_keep_alive_task" in names_used_by(HttpToolsProtocol._unset_keepalive_if_required)  # pyright: ignore[reportPrivateUsage] # it ends the timer of the short way too

    def test_short_way_does_all_that_uvicorn_does_before_a_websocket(self) -> None:
        """`open_websocket` does it by itself, except that the handshake is not parsed again."""
        assert names_used_by(HttpToolsProtocol.handle_websocket_upgrade) == (
            *("logger", "level", "TRACE_LOG_LEVEL", "client", "log", "connections", "discard"),
            *("scope", "encode", "url", "append", "ws_protocol_class", "config", "server_state", "app_state"),
            *("connection_made", "transport", "data_received", "join", "set_protocol"),
        )
        assert names_used_by(WebSocketsSansIOProtocol.data_received) == (
            *("conn", "receive_data", "parser_exc", "handle_parser_exception", "handle_events"),
        )
        assert parameters_of(WebSocketsSansIOProtocol.handle_connect) == ["event"]

    async def test_uvicorn_protocols_have_the_attributes_used(self) -> None:
        """Attributes of the connection, with the initial values that the subclasses rely on."""
        config = uvicorn.Config(no_app, lifespan="off", log_config=None)
        http = HttpToolsProtocol(config, ServerState(), {})
        websocket = WebSocketsSansIOProtocol(config, ServerState(), {})
        assert (http.cycle, http.scope, http.transport, http.flow) == (None, None, None, None)
        assert (http.client, http.headers, list(http.pipeline)) == (None, None, [])
        used = {"response_started", "response_complete", "disconnected", "message_event", "keep_alive"}
        assert used <= set(names_used_by(RequestResponseCycle.__init__))
        assert (websocket.close_timer, websocket.close_sent, websocket.read_paused) == (None, False, False)
        assert (websocket.frames, websocket.curr_msg_data_type, websocket.conn.close_sent) == ([], "bytes", None)
        assert websocket.close_timeout > 0
        assert (websocket.pending_ping_payload, websocket.ping_timer, websocket.pong_timer) == (None, None, None)
        assert {"stop_keepalive", "send_keepalive_ping"} <= set(vars(WebSocketsSansIOProtocol))
        assert (websocket.conn.state, parameters_of(websocket.conn.fail)) == (State.CONNECTING, ["code", "reason"])
        assert (type(websocket.queue), websocket.writable.is_set()) == (asyncio.Queue, True)
        assert "parser" in names_used_by(type(websocket.conn).receive_data)

    async def test_parser_of_websockets_waits_in_one_step_between_messages(self) -> None:
        """Not within a frame, nor between the fragments of a message, nor when the connection closes."""
        connection = ServerProtocol(state=State.OPEN)
        connection.parser = Protocol.parse(connection)  # as `WebSocketProtocol.begin` does
        next(connection.parser)

        def between(data: bytes) -> bool:
            connection.receive_data(data)
            return is_between_messages(connection)

        frame = Frame(Opcode.TEXT, b"{}").serialize(mask=True)
        assert is_between_messages(connection)
        assert [between(bytes([each])) for each in frame] == [False] * (len(frame) - 1) + [True]
        assert not between(Frame(Opcode.TEXT, b"{", fin=False).serialize(mask=True))
        assert between(Frame(Opcode.CONT, b"}").serialize(mask=True))
        assert not between(Frame(Opcode.CLOSE, b"").serialize(mask=True))
        assert {"reader", "at_eof", "read_exact", "recv_frame"} <= set(names_used_by(Protocol.parse))
        # What a whole text message needs, and what uvicorn does with it.
        assert names_used_by(Protocol.recv_frame)[:8] == (
            *("opcode", "TEXT", "BINARY", "current_size", "ProtocolError", "fin", "len", "data"),
        )
        assert names_used_by(WebSocketsSansIOProtocol.handle_text) == (
            *("curr_msg_data_type", "data", "frames", "fin", "send_receive_event_to_app"),
        )
        assert names_used_by(WebSocketsSansIOProtocol.send_receive_event_to_app) == (
            *("len", "frames", "join", "close_sent", "curr_msg_data_type", "queue", "put_nowait", "decode"),
            *("UnicodeDecodeError", "logger", "exception", "conn", "send_close", "handle_parser_exception"),
            *("read_paused", "transport", "pause_reading"),
        )


class TestStrawberry:
    """schema/strawberry_internals.py."""

    def test_executor_methods_have_the_expected_parameters_in_graphql_core(self) -> None:
        """The payload is the only argument of a per-event executor; `build` takes `hide_suggestions`."""
        assert overridden(Execution, Executor) == {"build_per_event_executor": ["payload"]}
        assert "hide_suggestions" in parameters_of(vars(Executor)["build"].__func__)

    def test_subfield_cache_of_a_subscription_is_empty_for_each_event(self) -> None:
        """graphql-core fills `_relevant_sub_fields` during execution; the executor of the next event starts without."""
        sample = build_schema("type Query { a: Int } type Item { a: Int } type Subscription { item: Item }")
        executor = DiscreetExecution.build(sample, parse("subscription { item { a } }"))
        first = executor.build_per_event_executor({"item": {"a": 1}})
        assert first.execute_operation(False).data == {"item": {"a": 1}}
        second = executor.build_per_event_executor({"item": {"a": 2}})
        caches: list[dict[Any, Any]] = [vars(event)["_relevant_sub_fields"] for event in (first, second)]
        assert [len(cache) for cache in caches] == [1, 0]

    def test_strawberry_schema_gives_the_core_schema_and_enum_definitions(self) -> None:
        """The wrapped schema has the types; the definition of an enum holds the descriptions of its values."""
        assert "Job" in executable_schema().core.type_map
        described = {value.name: value.description for value in enum_definition(JobStatus).values}
        assert described["CANCELED"]
