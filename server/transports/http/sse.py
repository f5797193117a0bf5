"""GraphQL over server-sent events in distinct connections mode: one operation per request.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode and
https://html.spec.whatwg.org/multipage/server-sent-events.html. Lines end in LF, which every parser accepts.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult

from server.transports.closing import CloseCode
from server.transports.connections.registry import CLOSE_SECONDS, Connections
from server.transports.connections.slots import Slot
from server.transports.connections.stream_control import stream_control
from server.transports.errors import error_body, internal_error
from server.transports.limits import TransportLimits
from server.transports.payloads import encode
from server.transports.responses.accept import EVENT_STREAM
from server.transports.results import response_map
from server.transports.shared.message import SharedMessage

KEEP_ALIVE: Final = b":\n\n"
COMPLETE: Final = b"event: complete\ndata: \n\n"  # EventSource dispatches no event without data

Results = AsyncGenerator[ExecutionResult | SharedMessage, Any]

_HEADERS: Final = [
    (b"content-type", EVENT_STREAM.encode()),
    (b"cache-control", b"no-store"),
    (b"connection", b"close"),  # the TCP connection is tuned for a stream
    (b"x-accel-buffering", b"no"),  # else nginx buffers the events
]


class EventStream:
    """The response of one operation. It ends with `event: complete` when the operation is complete, and without it when
    the server stops, so that the client retries."""

    def __init__(
        self,
        request: Request,
        results: Results,
        limits: TransportLimits,
        connections: Connections,
        slot: Slot | None = None,
    ) -> None:
        self._request = request
        self._slot = slot
        self._results = results
        self._limits = limits
        self._connections = connections
        self._stopped = asyncio.Event()
        self._writing = asyncio.Lock()
        self._control = stream_control(request.scope)
        self._probed = asyncio.Event()
        if self._control is not None:
            self._control.on_probe = self._probed.set
        if connections.closed_with is not None:
            self._stopped.set()

    @property
    def connection(self) -> HTTPConnection:
        return self._request

    async def close(self, code: CloseCode, reason: str) -> None:
        self._stopped.set()

    def abort(self) -> None:
        if self._control is not None:
            self._control.abort()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(receive, send)
        finally:
            if self._slot is not None:
                self._slot.close()

    async def _serve(self, receive: Receive, send: Send) -> None:
        if self._control is not None:
            self._control.tune(self._limits.dead_after_seconds)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._write(send, KEEP_ALIVE)
        with self._connections.registered(self):
            await self._stream(receive, send)
        await self._end(send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        """Send until the last result, a stall, a disconnect or the shutdown of the server."""
        tasks = [
            asyncio.create_task(self._pump(send)),
            asyncio.create_task(self._keep_alive(send)),
            asyncio.create_task(_wait_for_disconnect(receive)),
            asyncio.create_task(self._stopped.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(tasks)

    async def _pump(self, send: Send) -> None:
        try:
            async with aclosing(self._results):
                async for result in self._results:
                    is_shared = isinstance(result, SharedMessage)
                    await self._write(send, result.event() if is_shared else _next(response_map(result)))
        except TimeoutError:
            raise
        except Exception as error:
            await self._write(send, _next(error_body([internal_error(error, self._request)])))
        await self._write(send, COMPLETE)

    async def _keep_alive(self, send: Send) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.keep_alive_seconds):
                    await self._probed.wait()
            self._probed.clear()
            await self._write(send, KEEP_ALIVE)

    async def _write(self, send: Send, data: bytes) -> None:
        """Send data. Raises TimeoutError when the client reads nothing for `stall_seconds`."""
        async with self._writing, asyncio.timeout(self._limits.stall_seconds):
            await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _end(self, send: Send) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            if self._control is not None:
                self._control.abort()
                await send({"type": "http.response.body", "body": b""})  # returns when uvicorn has noticed the abort


async def single_result(result: ExecutionResult) -> Results:
    """Return the stream of an operation with one result."""
    yield result


def _next(payload: dict[str, object]) -> bytes:
    return b"event: next\ndata: " + encode(payload) + b"\n\n"


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
