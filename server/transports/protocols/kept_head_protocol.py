"""HTTP connections on which requests with a known head are executed at once, past the parser and the middleware.

A request is recognised by its bytes: the head has the shape of one that was parsed before (`head_shapes`), on a
connection between the same addresses, and the rest of what arrived is exactly the body of the length that the head
states. The parser would find the same. Whatever is not recognised is parsed: a request in parts, several at once, any
other head.

Overrides of uvicorn's protocol, beside those of the parent class (see `http_protocol` for versions and the test): the
end of its timer of idle connections, and what it does after a response, because it starts this timer for each request.
"""

import asyncio
import math
import weakref
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, cast

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from server.transports.errors import REQUEST_ID_STATE
from server.transports.protocols.http_protocol import HttpProtocol
from server.transports.responses.http_errors import JSONAnswer
from server.transports.responses.made_answers import MADE_ANSWER_EXTENSION
from server.transports.short_path.head_recorder import RECORDER_EXTENSION, HeadRecorder
from server.transports.short_path.head_shapes import LENGTH, REQUEST_ID, ShapedHead, shaped
from server.transports.short_path.kept_heads import MOST_CHARACTERS, AnswerAtOnce, KeptHead, KeptHeads, LastHead, State
from server.transports.short_path.response_heads import lines_of

_END_OF_HEAD = b"\r\n\r\n"
_METHOD = b"POST "
_FORBIDDEN = frozenset({b"expect", b"transfer-encoding", b"upgrade"})
# A larger body is written by itself, in place of a copy of it behind the head.
_COPIED_BYTES = 16_384
# How often a request that waits for the end of its connection looks whether it has come.
_GONE_SECONDS = 1.0


class _NoEvent:
    """The event of a cycle that nothing waits for."""

    def set(self) -> None:
        """Do nothing."""


class ShortCycle:
    """A request that is being answered, as the parent class sees it. Its body has been read."""

    __slots__ = ("disconnected", "keep_alive", "response_complete", "response_started")
    body = b""
    more_body = False
    message_event = _NoEvent()

    def __init__(self) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_started = False
        self.response_complete = False

    async def receive(self) -> Message:
        """Wait until the client has gone: there is no other message."""
        while not self.disconnected:  # noqa: ASYNC110 - an event for each request costs more
            await asyncio.sleep(_GONE_SECONDS)
        return {"type": "http.disconnect"}


class KeptHeadProtocol(HttpProtocol):
    """An HTTP connection that recognises requests."""

    heads: KeptHeads
    """Shared by all connections of the server."""
    _arrived: tuple[Hashable, bytes, ShapedHead] | None = None
    """The key, the text and the shape of the head, if what is being parsed may be a whole request."""
    _kept: Callable[[], KeptHead | None] = staticmethod(lambda: None)
    """Returns what is kept of the head of the request before, until it is forgotten."""
    _idle_since = -math.inf
    """When the last short response was written, by the clock of the loop."""
    _server_headers: list[tuple[bytes, bytes]] | None = None
    _server_lines = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._addresses = (self.client and self.client[0], self.server, self.scheme)

    def data_received(self, data: bytes) -> None:
        if self._expects_request() and (self._is_repeated(data) or self._is_recognised(data)):
            return
        super().data_received(data)
        self._arrived = None

    def _is_repeated(self, data: bytes) -> bool:
        """Answer a request with the same head as the one before; return whether it is one."""
        kept = self._kept()
        last = None if kept is None else kept.last
        if kept is None or last is None or not data.startswith(last.text):
            return False
        body = data[len(last.text) :]
        if len(body) != last.body_bytes:
            return False
        kept.is_used = True
        return self._is_answered(kept, last.shaped, body)

    def _is_recognised(self, data: bytes) -> bool:
        """Answer a request, if it is whole and its head is kept; return whether it is."""
        if not data.startswith(_METHOD):
            return False
        end = data.find(_END_OF_HEAD, 0, MOST_CHARACTERS) + len(_END_OF_HEAD)
        if end < len(_END_OF_HEAD):
            return False
        head, body = data[:end], data[end:]
        found = shaped(head)
        if found is None or found.length != b"%d" % len(body) or not 0 < len(body) <= self.limits.body_bytes:
            return False
        key = (self._addresses, found.shape)
        kept = self.heads.get(key)
        if kept is None:
            self._arrived = (key, head, found)
            return False
        kept.last = LastHead(head, found, len(body))
        self._kept = weakref.ref(kept)
        return self._is_answered(kept, found, body)

    def _is_answered(self, kept: KeptHead, found: ShapedHead, body: bytes) -> bool:
        state = kept.renew(found)
        if state is None:
            return False
        self._answer(kept, state, body)
        return True

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        arrived, self._arrived = self._arrived, None
        if arrived is None or self._is_handshake or self._is_resuming:
            return
        key, head, found = arrived
        if self._is_repeatable(found) and self.heads.is_worth_keeping(key):
            # Without what refers to the recorder: the extensions, and this object.
            received = {name: value for name, value in self.scope.items() if name != "extensions"}
            state = self.server_state
            recorder = HeadRecorder(self.heads, key, head, received, lambda: lines_of(state.default_headers))
            self._extensions[RECORDER_EXTENSION] = recorder

    def _expects_request(self) -> bool:
        """Return whether the next byte is the first one of a request, and no other is being answered."""
        return (
            self._is_idle()
            and not (self._in_head or self._in_body or self._unread or self._is_done())
            and self._continuation is None
            and not self.flow.write_paused
        )

    def _is_repeatable(self, found: ShapedHead) -> bool:
        """Return whether another request with this head is read alike: it is followed by its body and nothing else."""
        if self.scope["method"] != "POST" or not self.cycle.keep_alive or self.limit_concurrency is not None:
            return False
        names = [name for name, _ in self.headers]
        # An id that is written in an unusual way is part of the shape, of which no id is read.
        has_usual_ids = names.count(REQUEST_ID) == (found.request_id is not None)
        return names.count(LENGTH) == 1 and has_usual_ids and _FORBIDDEN.isdisjoint(names)

    def _answer(self, kept: KeptHead, state: State, body: bytes) -> None:
        if self._deadline.runs:
            self._deadline.stop()
        cycle = ShortCycle()
        self.cycle = cast("RequestResponseCycle", cycle)
        scope = kept.scope(state)
        request = Request(scope, cycle.receive)
        at_once, answer = kept.at_once, None
        if at_once is not None and at_once.may_answer(body):
            answer = self._answer_at_once(kept, at_once.answer, request, body)
        if isinstance(answer, JSONAnswer) and answer.status == 200:
            kept.renewal.answered(scope, 200)
            self._write(cycle, kept, state, answer.body)
            return
        task = self.loop.create_task(self._run(cycle, kept, request, state, body, answer))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _answer_at_once(self, kept: KeptHead, at_once: AnswerAtOnce, request: Request, body: bytes) -> ASGIApp | None:
        begun = kept.renewal.begin(request.scope)
        try:
            return at_once(request, body)
        except Exception as error:
            return _raising(error)
        finally:
            kept.renewal.end(begun)

    async def _run(
        self, cycle: ShortCycle, kept: KeptHead, request: Request, state: State, body: bytes, answer: ASGIApp | None
    ) -> None:
        """Execute a request that has no `answer` yet, and send the answer."""
        try:
            kept.renewal.begin(request.scope)
            if answer is None:
                answer = await kept.answer(request, body)
        except BaseException as error:  # cancellation: raised again behind the middleware, which answers other errors
            answer = _raising(error)
        if isinstance(answer, JSONAnswer) and answer.status == 200:
            kept.renewal.answered(request.scope, 200)
            self._write(cycle, kept, state, answer.body)
        else:
            await self._send_through_middleware(cycle, kept, state, answer)

    def _write(self, cycle: ShortCycle, kept: KeptHead, state: State, body: bytes) -> None:
        if cycle.disconnected or self.transport.is_closing():
            return
        cycle.response_started = True
        closes = not cycle.keep_alive
        head = kept.response.made(self._current_server_lines(), len(body), state.get(REQUEST_ID_STATE), closes=closes)
        if len(body) <= _COPIED_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        cycle.response_complete = True
        if closes:
            self.transport.close()
        if closes or self.pipeline or self._unread or self._in_head or self._rejection is not None:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            self._begin_to_idle()

    def _begin_to_idle(self) -> None:
        """Start the time after which an idle connection is closed: by its timer, which goes on while short requests are
        answered, because to cancel and to start one for each request costs as much as to recognise it."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, or wait for the rest of its time."""
        self.timeout_keep_alive_task = None
        if not self._is_idle():
            return  # `_begin_to_idle` follows
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    async def _send_through_middleware(self, short: ShortCycle, kept: KeptHead, state: State, answer: ASGIApp) -> None:
        """Send a response for which no head is kept, such as an error, or answer an unexpected error."""
        extensions = {MADE_ANSWER_EXTENSION: answer}
        scope = {**kept.received, "client": self.client, "state": {**self.app_state, **state}, "extensions": extensions}
        cycle = RequestResponseCycle(
            scope=cast("Any", scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=short.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        cycle.disconnected = short.disconnected
        if cast("object", self.cycle) is short:
            self.cycle = cycle
        await cycle.run_asgi(cast("Any", self).app)

    def _current_server_lines(self) -> bytes:
        """Return the headers that uvicorn adds to each response; it replaces the list once a second."""
        headers = self.server_state.default_headers
        if headers is not self._server_headers:
            self._server_headers, self._server_lines = headers, lines_of(headers)
        return self._server_lines


def _raising(error: BaseException) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return an application that raises the error, which the middleware then masks and logs."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return app
