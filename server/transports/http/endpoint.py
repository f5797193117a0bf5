"""GraphQL over HTTP: POST with a JSON body, and GET for queries.

https://graphql.github.io/graphql-over-http/draft/. Every error response has a JSON body with `errors`, for each status.
"""

import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final

from graphql import GraphQLError, OperationType
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.types import ExecutionResult

from server.transports.closing import CloseConnection
from server.transports.connections.registry import Connections
from server.transports.connections.slots import ConnectionSlots
from server.transports.documents.document_limiter import Admitted
from server.transports.documents.params import InvalidParams, Params, has_document, read_params, read_url_params
from server.transports.errors import TransportCode, error_body, internal_error
from server.transports.execution import Executor
from server.transports.header_values import values_of
from server.transports.http.body import read_body
from server.transports.http.kept_answers import KeptAnswers
from server.transports.http.sse import EventStream, single_result
from server.transports.http.upgrades import lost_upgrade
from server.transports.observation.port import STREAM_STATE
from server.transports.payloads import InvalidJSON, decode
from server.transports.rate_limiter import TooManyRequests
from server.transports.responses import accept
from server.transports.responses.http_errors import GraphQLHTTPError, JSONAnswer, json_response
from server.transports.responses.made_answers import made_answer
from server.transports.results import is_internal, is_request_error, requested_close, response_map
from server.transports.short_path.head_recorder import head_recorder
from server.transports.short_path.kept_heads import AnswersAtOnce, Renewal
from server.transports.short_path.kept_queries import KeptQuery

Explorer = Callable[[Request], Response]
"""Makes the page for a browser that opens the path itself."""

_STREAM_REQUIRED: Final = (
    "A subscription requires a stream: a websocket with the subprotocol graphql-transport-ws, "
    "or this request with `Accept: text/event-stream`"
)

# Not errors of the client, which sends the document next. Some Apollo clients read the body of no other status.
_STATUS_200: Final = {TransportCode.PERSISTED_QUERY_NOT_FOUND, TransportCode.PERSISTED_QUERY_NOT_SUPPORTED}
_STATUS_400: Final = {TransportCode.DOCUMENT_MISMATCH}


class HTTPEndpoint:
    """The ASGI application of the HTTP route. It accepts every method, so that a 405 has a JSON body too."""

    def __init__(
        self,
        executor: Executor,
        connections: Connections,
        slots: ConnectionSlots,
        *,
        get_queries: bool,
        explorer: Explorer | None,
        renewal: Renewal | None = None,
        kept_answers: KeptAnswers | None = None,
    ) -> None:
        self._executor = executor
        self._kept_answers = kept_answers
        self._renewal = renewal
        self._slots = slots
        self._connections = connections
        self._explorer = explorer
        self._read_methods = ("GET", "HEAD") if get_queries else ()
        self._allow = "GET, POST" if get_queries else "POST"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = made_answer(scope)
        if response is None:
            request = Request(scope, receive)
            accepted = ",".join(values_of(scope, b"accept"))
            try:
                response = await self._respond_to(request, accepted)
            except ClientDisconnect:
                return
            self._record_head(scope, response, accepted)
        await response(scope, receive, send)

    async def _respond_to(self, request: Request, accepted: str) -> ASGIApp:
        if self._explorer is not None and _is_browser(request, accepted):
            return self._explorer(request)
        media_type = accept.preferred(accepted)
        try:
            return await self._handle(request, media_type)
        except ClientDisconnect:
            raise
        except Exception as error:
            return _error_response(error, request, media_type)

    async def _answer(self, media_type: str, request: Request, body: bytes) -> ASGIApp:
        """Answer a request that differs in its body alone from one that was answered."""
        try:
            return await self._operate_body(request, body, media_type)
        except Exception as error:
            return _error_response(error, request, media_type)

    def _answer_at_once(
        self, kept_answers: KeptAnswers, media_type: str, request: Request, body: bytes
    ) -> ASGIApp | None:
        try:
            content = kept_answers.answer(request, body)
        except Exception as error:
            return _error_response(error, request, media_type)
        return None if content is None else JSONAnswer(content, 200, media_type)

    def _record_head(self, scope: Scope, response: ASGIApp, accepted: str) -> None:
        """Keep the head of an answered request, so that the next one with this head reaches `_answer` at once."""
        recorder = head_recorder(scope)
        if recorder is None or self._renewal is None or not isinstance(response, JSONAnswer) or response.status != 200:
            return
        media_type = accept.preferred(accepted)
        if media_type is not None:
            kept = self._kept_answers
            at_once = kept and AnswersAtOnce(kept.may_answer, partial(self._answer_at_once, kept, media_type))
            recorder.record(scope, response.body, partial(self._answer, media_type), at_once, self._renewal)

    async def _handle(self, request: Request, media_type: str | None) -> ASGIApp:
        """Check the method, then the media types, then the content, each with its own status."""
        if (error := lost_upgrade(request.scope)) is not None:
            raise error
        if request.method != "POST" and request.method not in self._read_methods:
            raise self._method_not_allowed(f"{request.method} is not allowed", self._allow)
        if media_type is None:
            raise GraphQLHTTPError(
                406,
                TransportCode.NOT_ACCEPTABLE,
                f"Accept one of {accept.GRAPHQL_RESPONSE}, {accept.JSON}, {accept.EVENT_STREAM}",
            )
        if request.method == "POST":
            return await self._operate_body(
                request, await read_body(request, self._executor.limits.body_bytes), media_type
            )
        with _INVALID_AS_400:
            params = read_url_params(request.query_params)
        return await self._operate(request, params, media_type)

    async def _operate_body(self, request: Request, body: bytes, media_type: str) -> ASGIApp:
        known = self._executor.queries.get(body)
        if known is not None:
            return await self._operate(request, known.sent, media_type, known=known)
        with _INVALID_AS_400:
            params = read_params(decode(body))
        return await self._operate(request, params, media_type, body=body)

    async def _operate(
        self,
        request: Request,
        sent: Params,
        media_type: str,
        *,
        body: bytes | None = None,
        known: KeptQuery | None = None,
    ) -> ASGIApp:
        """Admit and execute the operation. `known` is what is kept of it, `body` that by which it may be kept."""
        started_at = time.perf_counter()
        try:
            params, admitted = self._executor.admit(sent, request, known)
        except TooManyRequests:
            raise
        except GraphQLError as error:
            return self._respond(request, ExecutionResult(data=None, errors=[error]), media_type)
        kind = admitted.kind
        if kind is OperationType.MUTATION and request.method != "POST":
            raise self._method_not_allowed("A mutation must be sent with POST", "POST")
        if kind is not OperationType.SUBSCRIPTION:
            is_known = known is not None and admitted is known.admitted
            prepared = known.prepared if known and is_known else self._executor.prepare(params, admitted)
            result = await self._executor.execute_prepared(params, request, admitted, prepared, started_at)
            if body is not None and prepared is not None and kind is OperationType.QUERY and not result.errors:
                self._executor.queries.see(body, KeptQuery(sent, params, admitted, prepared))
            return self._respond(request, result, media_type)
        if media_type != accept.EVENT_STREAM:
            raise GraphQLHTTPError(400, TransportCode.STREAM_REQUIRED, _STREAM_REQUIRED)
        return await self._stream(request, params, admitted)

    async def _stream(self, request: Request, params: Params, admitted: Admitted) -> ASGIApp:
        """Take a connection slot here, where a 429 can still be sent; the stream releases it."""
        slot = await self._slots.take(request)
        try:
            results = await self._executor.subscribe(params, request, admitted)
        except BaseException:
            slot.close()
            raise
        request.scope.setdefault("state", {})[STREAM_STATE] = True
        return EventStream(request, results, self._executor.limits, self._connections, slot)

    def _respond(self, request: Request, result: ExecutionResult, media_type: str) -> ASGIApp:
        if result.errors and (closing := requested_close(result)):
            raise closing
        if media_type == accept.EVENT_STREAM:
            return EventStream(request, single_result(result), self._executor.limits, self._connections)
        return JSONAnswer(response_map(result), _status(result, media_type) if result.errors else 200, media_type)

    def _method_not_allowed(self, message: str, allow: str) -> GraphQLHTTPError:
        return GraphQLHTTPError(405, TransportCode.METHOD_NOT_ALLOWED, message, {"allow": allow})


class _InvalidAs400:
    """A block that answers 400 to a request that is no valid one. Not a generator: every request enters it."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, InvalidJSON):
            raise GraphQLHTTPError(400, TransportCode.BAD_REQUEST, f"The request {error}") from None
        if isinstance(error, InvalidParams):
            raise GraphQLHTTPError(400, TransportCode.BAD_REQUEST, str(error)) from None


_INVALID_AS_400: Final = _InvalidAs400()


def _error_response(error: Exception, request: Request, media_type: str | None) -> Response:
    """Return the response to a request that could not be answered."""
    match error:
        case GraphQLHTTPError():
            return error.response(media_type)
        case CloseConnection():
            return GraphQLHTTPError.from_closing(error).response(media_type)
        case HTTPException():
            return GraphQLHTTPError.from_exception(error).response(media_type)
        case TooManyRequests():
            return json_response(error_body([error]), 429, media_type, error.headers)
        case _:
            return json_response(error_body([internal_error(error, request)]), 500, media_type)


def _is_browser(request: Request, accepted: str) -> bool:
    return (
        request.method in ("GET", "HEAD")
        and not has_document(request.query_params)
        and accept.names(accepted, accept.HTML)
    )


def _status(result: ExecutionResult, media_type: str) -> int:
    """Return the status. Media type `application/json` has 200 for every well-formed request: clients of that type may
    not read the body of another status.

    https://graphql.github.io/graphql-over-http/draft/#sec-Status-Codes
    """
    if not is_request_error(result):
        return 200
    codes = {(error.extensions or {}).get("code") for error in result.errors or ()}
    if codes & _STATUS_200:
        return 200
    if codes & _STATUS_400:
        return 400
    if is_internal(result.errors or []):
        return 500
    return 200 if media_type == accept.JSON else 400
