"""GraphQL over HTTP: POST with a JSON body, and GET for queries.

https://graphql.github.io/graphql-over-http/draft/. Everything that the server refuses is a JSON body with `errors`,
whatever the status.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from graphql import GraphQLError, OperationType
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.types import ExecutionResult

from server.transports import accept
from server.transports.body import read_body
from server.transports.closing import CloseConnection
from server.transports.connections import Connections
from server.transports.document_limiter import Admitted
from server.transports.errors import TransportCode, formatted, internal_error
from server.transports.execution import (
    Executor,
    is_internal,
    is_request_error,
    response_map,
    wanted_closing,
)
from server.transports.http_errors import GraphQLHTTPError, json_response
from server.transports.params import InvalidParams, Params, read_params, read_url_params
from server.transports.payloads import InvalidJSON, decode
from server.transports.rate_limiter import TooManyRequests
from server.transports.sse import EventStream, only

Explorer = Callable[[Request], Response]
"""The page for a browser that came to the address itself."""

_STREAM_REQUIRED: Final = (
    "A subscription needs a stream: a websocket with the graphql-transport-ws subprotocol, "
    "or this request with `Accept: text/event-stream`"
)


class HTTPEndpoint:
    """The ASGI application behind the HTTP route: of every method, for its 405 is in JSON too."""

    def __init__(
        self, executor: Executor, connections: Connections, *, get_queries: bool, explorer: Explorer | None
    ) -> None:
        self._executor = executor
        self._connections = connections
        self._explorer = explorer
        self._reading_methods = ("GET", "HEAD") if get_queries else ()
        self._allow = "GET, POST" if get_queries else "POST"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        accepted = ",".join(request.headers.getlist("accept"))
        if self._explorer is not None and _is_browser(request, accepted):
            return self._explorer(request)
        media_type = accept.preferred(accepted)
        try:
            return await self._negotiated(request, media_type)
        except GraphQLHTTPError as refusal:
            return refusal.response(media_type)
        except CloseConnection as closing:
            return GraphQLHTTPError.from_closing(closing).response(media_type)
        except HTTPException as error:
            return GraphQLHTTPError.from_exception(error).response(media_type)
        except TooManyRequests as limited:
            return json_response(formatted([limited]), 429, media_type, limited.headers)
        except ClientDisconnect:
            raise
        except Exception as error:
            return json_response(formatted([internal_error(error, request)]), 500, media_type)

    async def _negotiated(self, request: Request, media_type: str | None) -> ASGIApp:
        """Methods first, then types, then the content: each step refuses with the status of its own mistake."""
        if request.method != "POST" and request.method not in self._reading_methods:
            raise self._method_not_allowed(f"{request.method} is not allowed", self._allow)
        if media_type is None:
            raise GraphQLHTTPError(
                406,
                TransportCode.NOT_ACCEPTABLE,
                f"Accept one of {accept.GRAPHQL_RESPONSE}, {accept.JSON}, {accept.EVENT_STREAM}",
            )
        params = await self._read(request)
        try:
            admitted = self._executor.admit(params, request)
        except TooManyRequests:
            raise
        except GraphQLError as error:
            return self._respond(request, ExecutionResult(data=None, errors=[error]), media_type)
        kind = admitted.kind
        if kind is OperationType.MUTATION and request.method != "POST":
            raise self._method_not_allowed("A mutation must be a POST", "POST")
        if kind is not OperationType.SUBSCRIPTION:
            return self._respond(request, await self._executor.execute(params, request, admitted), media_type)
        if media_type != accept.EVENT_STREAM:
            raise GraphQLHTTPError(400, TransportCode.STREAM_REQUIRED, _STREAM_REQUIRED)
        return await self._stream(request, params, admitted)

    async def _stream(self, request: Request, params: Params, admitted: Admitted) -> ASGIApp:
        """The place is taken here, where it can still be refused with a status, and given back by the stream."""
        place = ExitStack()
        place.enter_context(self._executor.rate_limiter.holding(request))
        try:
            results = await self._executor.subscribe(params, request, admitted)
        except BaseException:
            place.close()
            raise
        return EventStream(request, results, self._executor.limits, self._connections, place)

    async def _read(self, request: Request) -> Params:
        try:
            if request.method == "POST":
                return read_params(decode(await read_body(request, self._executor.limits.body_bytes)))
            return read_url_params(request.query_params)
        except InvalidJSON as error:
            raise GraphQLHTTPError(400, TransportCode.BAD_REQUEST, f"The request {error}") from None
        except InvalidParams as error:
            raise GraphQLHTTPError(400, TransportCode.BAD_REQUEST, str(error)) from None

    def _respond(self, request: Request, result: ExecutionResult, media_type: str) -> ASGIApp:
        if closing := wanted_closing(result):
            raise closing
        if media_type == accept.EVENT_STREAM:
            return EventStream(request, only(result), self._executor.limits, self._connections)
        return json_response(response_map(result), _status(result, media_type), media_type)

    def _method_not_allowed(self, message: str, allow: str) -> GraphQLHTTPError:
        return GraphQLHTTPError(405, TransportCode.METHOD_NOT_ALLOWED, message, {"allow": allow})


def _is_browser(request: Request, accepted: str) -> bool:
    return (
        request.method in ("GET", "HEAD")
        and "query" not in request.query_params
        and accept.names(accepted, accept.HTML)
    )


def _status(result: ExecutionResult, media_type: str) -> int:
    """`application/json` says 200 to every well-formed request: a client of that type may not read other bodies.

    https://graphql.github.io/graphql-over-http/draft/#sec-Status-Codes
    """
    if not is_request_error(result):
        return 200
    if is_internal(result.errors or []):
        return 500
    return 200 if media_type == accept.JSON else 400
