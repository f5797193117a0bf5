"""GraphQL over websocket: a server of the `graphql-transport-ws` subprotocol, in the order of its document.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The older `graphql-ws` subprotocol is not spoken.
Pings, compression and peers that stop reading are handled below the messages, in `uvicorn_protocols`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import assert_never

from graphql import GraphQLError, OperationType
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.types import ExecutionResult

from server.transports.bucket import Bucket
from server.transports.closing import CloseCode, CloseConnection, fit_reason
from server.transports.connections import Connections
from server.transports.errors import TransportCode, coded, internal_error, report, request_id_of, told
from server.transports.execution import Executor, is_request_error, response_map, wanted_closing
from server.transports.messages import (
    Complete,
    ConnectionInit,
    InvalidMessage,
    Payload,
    Ping,
    Pong,
    Subscribe,
    read_message,
)
from server.transports.payloads import encode
from server.transports.pending_connections import PendingConnections
from server.transports.rate_limiter import TooManyRequests
from server.transports.stream_control import stream_control

SUBPROTOCOL = "graphql-transport-ws"

OnInit = Callable[[WebSocket, Payload | None], Awaitable[Mapping[str, object] | None]]
"""Called with the payload of `connection_init`; what it returns is the payload of `connection_ack`. It leaves what the
contexts need in `websocket.state`, and raises CloseConnection to turn the client away."""


class WebSocketEndpoint:
    """The ASGI application behind the websocket route."""

    def __init__(self, executor: Executor, connections: Connections, on_init: OnInit | None) -> None:
        self._executor = executor
        self._connections = connections
        self._on_init = on_init
        self._lobby = PendingConnections(executor.limits.silent_per_address, executor.limits.silent_sockets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        if SUBPROTOCOL not in scope["subprotocols"]:
            # Closing before accepting would be an HTTP 403, which a browser reports as 1006.
            await socket.accept()
            await socket.close(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, f"Speak {SUBPROTOCOL}")
            return
        await socket.accept(SUBPROTOCOL)
        connection = Connection(socket, self._executor, self._on_init, self._lobby)
        address = socket.client.host if socket.client is not None else ""
        with self._connections.holding(connection), self._lobby.waiting(connection, address):
            if self._connections.last_word is not None:
                await connection.close(*self._connections.last_word)
            await connection.serve()


@dataclass(eq=False, slots=True)
class Operation:
    """What was begun by one `subscribe` message."""

    id: str
    task: asyncio.Task[None] | None = None
    may_be_cut: bool = True

    def stop(self) -> None:
        """A mutation is left to finish, unheard, as over HTTP: cut short, nobody could say what it had done."""
        if self.task is not None and self.may_be_cut:
            self.task.cancel()


class Connection:
    """One socket, from the handshake to the last clean-up."""

    def __init__(
        self, socket: WebSocket, executor: Executor, on_init: OnInit | None, pending: PendingConnections
    ) -> None:
        self._socket = socket
        self._executor = executor
        self._on_init = on_init
        self._lobby = pending
        self._place = ExitStack()  # among the caller's open connections, from the acknowledgement on
        self._messages = Bucket(executor.limits.messages_burst, executor.limits.messages_per_second)
        self._initialised = asyncio.Event()
        self._acknowledged = False
        self._open = True
        self._writing = asyncio.Lock()
        self._listening: dict[str, Operation] = {}  # what the client still wants to hear of
        self._running: set[Operation] = set()  # these, and those that are still cleaning up

    @property
    def connection(self) -> HTTPConnection:
        return self._socket

    async def serve(self) -> None:
        """Return when the client is gone and every operation has cleaned up."""
        with self._place:
            await self._serve()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            deadline = tasks.create_task(self._await_init())
            try:
                await self._read(tasks)
            finally:
                self._open = False
                self._listening.clear()
                deadline.cancel()
                for operation in self._running:
                    operation.stop()

    async def close(self, code: CloseCode, reason: str) -> None:
        """Nothing is written after the close frame; `serve` hears of it and cleans up."""
        if not self._open:
            return
        self._open = False
        async with self._writing:
            try:
                await self._socket.close(code, fit_reason(reason))
            except (WebSocketDisconnect, RuntimeError):
                return  # the peer was faster

    def abort(self) -> None:
        if (control := stream_control(self._socket.scope)) is not None:
            control.abort()

    async def _await_init(self) -> None:
        try:
            async with asyncio.timeout(self._executor.limits.init_seconds):
                await self._initialised.wait()
        except TimeoutError:
            await self.close(CloseCode.INIT_TIMEOUT, "Connection initialisation timeout")

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            try:
                await self._handle(event.get("text"), tasks)
            except CloseConnection as closing:
                await self.close(closing.code, closing.reason)

    async def _handle(self, text: str | None, tasks: asyncio.TaskGroup) -> None:
        if text is None:
            raise CloseConnection(CloseCode.BAD_REQUEST, "Message must be text in UTF-8")
        if not self._messages.take():
            raise CloseConnection(CloseCode.TOO_MANY_REQUESTS, "Too many messages")
        if len(text.encode()) > self._executor.limits.message_bytes:
            raise CloseConnection(CloseCode.MESSAGE_TOO_BIG, "Message too big")
        try:
            message = read_message(text)
        except InvalidMessage as error:
            raise CloseConnection(CloseCode.BAD_REQUEST, str(error)) from None
        match message:
            case ConnectionInit(payload):
                if self._initialised.is_set():
                    raise CloseConnection(CloseCode.TOO_MANY_INIT_REQUESTS, "Too many initialisation requests")
                self._initialised.set()
                await self._acknowledge(payload)
            case Ping(payload):
                await self._send({"type": "pong", "payload": payload} if payload else {"type": "pong"})
            case Pong():
                pass
            case Subscribe(operation_id, _):
                if not self._acknowledged:
                    raise CloseConnection(CloseCode.UNAUTHORIZED, "Unauthorized")
                if operation_id in self._listening:
                    raise CloseConnection(
                        CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {operation_id} already exists"
                    )
                await self._begin(message, tasks)
            case Complete(operation_id):
                operation = self._listening.pop(operation_id, None)
                if operation is not None:
                    operation.stop()
            case _:
                assert_never(message)

    async def _acknowledge(self, payload: Payload | None) -> None:
        answer = await self._ask_on_init(payload)
        try:
            self._place.enter_context(self._executor.rate_limiter.holding(self._socket))
        except TooManyRequests as limited:
            raise CloseConnection(CloseCode.TOO_MANY_REQUESTS, limited.message) from None
        self._lobby.leave(self)
        self._acknowledged = True
        ack: dict[str, object] = {"type": "connection_ack"}
        await self._send(ack if answer is None else {**ack, "payload": answer})

    async def _ask_on_init(self, payload: Payload | None) -> Mapping[str, object] | None:
        if self._on_init is None:
            return None
        try:
            return await self._on_init(self._socket, payload)
        except CloseConnection:
            raise
        except TooManyRequests as limited:
            raise CloseConnection(CloseCode.TOO_MANY_REQUESTS, limited.message) from None
        except Exception as error:
            error_id = report(error, request_id_of(self._socket))["id"]
            raise CloseConnection(CloseCode.FORBIDDEN, f"Internal error {error_id}") from None

    async def _begin(self, message: Subscribe, tasks: asyncio.TaskGroup) -> None:
        limit = self._executor.limits.operations_per_socket
        if len(self._running) >= limit:
            refusal = coded(TransportCode.TOO_MANY_OPERATIONS, f"At most {limit} operations at once on a socket")
            await self._send({"id": message.id, "type": "error", "payload": [told(refusal)]})
            return
        operation = Operation(message.id)
        self._listening[message.id] = operation
        self._running.add(operation)
        operation.task = tasks.create_task(self._run(operation, message))
        operation.task.add_done_callback(lambda _: self._running.discard(operation))

    async def _run(self, operation: Operation, message: Subscribe) -> None:
        """Whatever happens in here ends this operation and no other."""
        try:
            await self._answer(operation, message)
        except CloseConnection as closing:
            await self.close(closing.code, closing.reason)
        except GraphQLError as error:
            await self._send_last(operation, "error", [told(error)])
        except Exception as error:
            await self._send_last(operation, "error", [told(internal_error(error, self._socket))])

    async def _answer(self, operation: Operation, message: Subscribe) -> None:
        admitted = self._executor.admit(message.params, self._socket)
        if admitted.kind is OperationType.SUBSCRIPTION:
            results = await self._executor.subscribe(message.params, self._socket, admitted)
            async with aclosing(results):
                async for result in results:
                    if not await self._send_result(operation, result):
                        return
        else:
            operation.may_be_cut = admitted.kind is not OperationType.MUTATION
            result = await self._executor.execute(message.params, self._socket, admitted)
            if not await self._send_result(operation, result):
                return
        await self._send_last(operation, "complete")

    async def _send_result(self, operation: Operation, result: ExecutionResult) -> bool:
        """False when it was the operation's end."""
        if closing := wanted_closing(result):
            raise closing
        if is_request_error(result):
            await self._send_last(operation, "error", [told(error) for error in result.errors or ()])
            return False
        await self._send({"id": operation.id, "type": "next", "payload": response_map(result)}, operation)
        return True

    async def _send_last(self, operation: Operation, kind: str, payload: object = None) -> None:
        message: dict[str, object] = {"id": operation.id, "type": kind}
        if payload is not None:
            message["payload"] = payload
        await self._send(message, operation, last=True)

    async def _send(self, message: Mapping[str, object], about: Operation | None = None, *, last: bool = False) -> None:
        """One message at a time, so that a peer that stopped reading holds one message per socket, not fifty.

        The client may complete the operation while this waits for its turn: nothing is sent for it afterwards. Its
        last message frees the id, for the client may use it again as soon as it has read it.
        """
        text = encode(message).decode()
        async with self._writing:
            if about is not None and self._listening.get(about.id) is not about:
                return
            if last and about is not None:
                del self._listening[about.id]
            if self._open:
                await self._write(text)

    async def _write(self, text: str) -> None:
        try:
            await self._socket.send({"type": "websocket.send", "text": text})
        except WebSocketDisconnect:
            self._open = False  # `_read` hears of it too
