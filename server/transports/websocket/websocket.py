"""One websocket of the `graphql-transport-ws` subprotocol, in the order of its specification.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The older `graphql-ws` subprotocol is not supported.
Pings, compression and peers that stop reading are handled below the messages, in `uvicorn_protocols`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import assert_never

from graphql import GraphQLError, OperationType
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from models.domain import trace
from server.transports.closing import CloseCode, CloseConnection, try_again_later
from server.transports.connections.slots import ConnectionSlots, Slot
from server.transports.connections.stream_control import stream_control
from server.transports.documents.document_limiter import Admitted
from server.transports.documents.params import Params
from server.transports.errors import TransportCode, coded, format_error, internal_error
from server.transports.execution import Executor
from server.transports.rate_limiter import TooManyRequests
from server.transports.shared.member import Member, State
from server.transports.websocket.bucket import Bucket
from server.transports.websocket.frame_limiter import TOO_MANY_MESSAGES
from server.transports.websocket.messages import (
    Complete,
    ConnectionInit,
    Payload,
    Ping,
    Pong,
    Subscribe,
    accepted_message,
)
from server.transports.websocket.on_init import OnInit, call_on_init
from server.transports.websocket.outgoing import Outgoing
from server.transports.websocket.pending_connections import PendingConnections
from server.transports.websocket.socket_operations import Operation, join_shared


class Connection:
    """One websocket, from the handshake until all its operations have ended."""

    def __init__(
        self,
        socket: WebSocket,
        executor: Executor,
        on_init: OnInit | None,
        pending: PendingConnections,
        slots: ConnectionSlots,
    ) -> None:
        self._socket = socket
        self._executor = executor
        self._on_init = on_init
        self._pending = pending
        self._slots = slots
        self._slot: Slot | None = None  # the caller's connection slot, taken with the acknowledgement
        self._messages = Bucket(executor.limits.messages_burst, executor.limits.messages_per_second)
        self._deadline: asyncio.TimerHandle | None = None  # of the initialisation, until it has begun
        self._acknowledged = False
        self._outgoing = Outgoing(socket)
        self._active = self._outgoing.active
        self._running: set[Operation] = set()  # those, and operations that are still cleaning up
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def connection(self) -> HTTPConnection:
        return self._socket

    async def serve(self) -> None:
        """Serve until the client has disconnected and every operation that ran then has cleaned up."""
        try:
            await self._serve()
        finally:
            if self._slot is not None:
                self._slot.close()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            close = partial(self.close, CloseCode.INIT_TIMEOUT, "Connection initialisation timeout")
            seconds = self._executor.limits.init_seconds
            self._deadline = asyncio.get_running_loop().call_later(seconds, lambda: tasks.create_task(close()))
            try:
                await self._read(tasks)
            finally:
                self._outgoing.is_open = False
                self._active.clear()
                self._end_init()
                members = [each.member for each in self._running if each.member is not None]
                for operation in tuple(self._running):
                    self._stop(operation)
        if members and self._executor.shared is not None:
            await self._executor.shared.stopped(members)

    async def close(self, code: CloseCode, reason: str) -> None:
        """Send a close frame, after which nothing is written; `serve` receives the disconnect and cleans up."""
        if not self._outgoing.is_open:
            return
        self._outgoing.is_open = False
        for operation in self._running:
            if operation.member is not None:
                operation.member.leave()
        await self._outgoing.close(code, reason)

    def abort(self) -> None:
        if (control := stream_control(self._socket.scope)) is not None:
            control.abort()

    def _end_init(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            if not self._outgoing.is_open:
                continue
            try:
                await self._handle(event.get("text"), tasks)
            except CloseConnection as closing:  # cancellation: no clean-up raises it
                await self.close(closing.code, closing.reason)
            await asyncio.sleep(0)  # queued messages arrive without suspension, and must not delay other connections

    async def _handle(self, text: str | None, tasks: asyncio.TaskGroup) -> None:
        if not self._messages.take():
            raise try_again_later(TOO_MANY_MESSAGES)
        message = accepted_message(text, self._executor.limits.message_bytes)
        match message:
            case ConnectionInit(payload):
                if self._deadline is None:
                    raise CloseConnection(CloseCode.TOO_MANY_INIT_REQUESTS, "Too many initialisation requests")
                self._end_init()
                self._pending.initialise(self)
                await self._acknowledge(payload)
            case Ping(payload):
                await self._outgoing.send({"type": "pong", "payload": payload} if payload else {"type": "pong"})
            case Pong():
                pass
            case Subscribe(operation_id, _):
                if not self._acknowledged:
                    raise CloseConnection(CloseCode.UNAUTHORIZED, "Unauthorized")
                if operation_id in self._active:
                    raise CloseConnection(
                        CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {operation_id} already exists"
                    )
                await self._start(message, tasks)
            case Complete(operation_id):
                operation = self._active.pop(operation_id, None)
                if operation is not None:
                    self._stop(operation)
            case _:
                assert_never(message)

    async def _acknowledge(self, payload: Payload | None) -> None:
        ack_payload = await call_on_init(self._on_init, self._socket, payload)
        try:
            self._slot = await self._slots.take(self._socket)
        except TooManyRequests as limited:
            raise try_again_later(limited.message, limited.retry_after_seconds) from None
        self._pending.remove(self)
        self._acknowledged = True
        ack: dict[str, object] = {"type": "connection_ack"}
        await self._outgoing.send(ack if ack_payload is None else {**ack, "payload": ack_payload})

    async def _start(self, message: Subscribe, tasks: asyncio.TaskGroup) -> None:
        if len(self._running) >= (limit := self._executor.limits.operations_per_socket):
            error = coded(TransportCode.TOO_MANY_OPERATIONS, f"At most {limit} concurrent operations per websocket")
            await self._outgoing.send({"id": message.id, "type": "error", "payload": [format_error(error)]})
            return
        operation = Operation(message.id)
        self._active[message.id] = operation
        self._running.add(operation)
        context = copy_context()  # of this operation alone
        work = context.run(self._begin, operation, message)
        if work is not None:
            self._run_task(tasks, operation, work, context)

    def _begin(self, operation: Operation, message: Subscribe) -> Callable[[], Awaitable[None]] | None:
        """Join a shared stream, which needs no task; otherwise return what the task of the operation has to do."""
        if (context := trace.current()) is not None:
            trace.enter(context.child())
        started_at = time.perf_counter()
        try:
            params, admitted = self._executor.admit(message.params, self._socket)
            operation.cancellable = admitted.kind is not OperationType.MUTATION
            write = self._outgoing.write_frames
            if (
                write is not None
                and admitted.kind is OperationType.SUBSCRIPTION
                and join_shared(self._executor, self._socket, operation, params, admitted, write, self._pump)
            ):
                return None
        except Exception as error:
            return partial(_raise, error)
        return lambda: self._send_results(operation, params, admitted, started_at)

    def _run_task(
        self,
        tasks: asyncio.TaskGroup,
        operation: Operation,
        work: Callable[[], Awaitable[None]],
        context: Context | None = None,
    ) -> None:
        task = operation.task = tasks.create_task(self._run(operation, work), context=context)

        def on_done(_: asyncio.Task[None]) -> None:
            if operation.task is task:
                operation.task = None
                if operation.has_ended:
                    self._forget(operation)

        task.add_done_callback(on_done)

    def _stop(self, operation: Operation) -> None:
        operation.stop()
        if operation.task is None:
            self._forget(operation)

    def _forget(self, operation: Operation) -> None:
        self._running.discard(operation)
        operation.member = None  # which refers to the operation

    async def _run(self, operation: Operation, work: Callable[[], Awaitable[None]]) -> None:
        """Run the operation; an error ends this operation and no other."""
        try:
            await work()
        except CloseConnection as closing:
            await self.close(closing.code, closing.reason)
        except GraphQLError as error:
            await self._outgoing.send_last(operation, "error", [format_error(error)])
        except Exception as error:
            await self._outgoing.send_last(operation, "error", [format_error(internal_error(error, self._socket))])

    async def _send_results(self, operation: Operation, params: Params, admitted: Admitted, started_at: float) -> None:
        if admitted.kind is OperationType.SUBSCRIPTION:
            results = await self._executor.subscribe(params, self._socket, admitted)
            if not await self._outgoing.send_all(operation, results):
                return
        else:
            result = await self._executor.execute(params, self._socket, admitted, started_at)
            if not await self._outgoing.send_result(operation, result):
                return
        await self._outgoing.send_last(operation, "complete")

    def _pump(self, operation: Operation) -> None:
        """Send the messages of a shared stream that could not be written at once."""
        member = operation.member
        if self._tasks is not None and member is not None and self._active.get(operation.id) is operation:
            self._run_task(self._tasks, operation, lambda: self._send_shared(operation, member))

    async def _send_shared(self, operation: Operation, member: Member) -> None:
        try:
            if await self._outgoing.send_all(operation, member.messages()) and member.state is State.COMPLETE:
                await self._outgoing.send_last(operation, "complete")
        finally:
            if member.state is not State.LIVE:
                member.leave()


async def _raise(error: Exception) -> None:
    raise error
