"""The route of every REST call: rate limits, the size limit of bodies, and unexpected errors."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive

from models.domain.errors import DomainError, DomainErrors, Unavailable
from schema.context import Context
from server.limits.rates import REST_COST
from server.rest.errors import error_response
from server.transports.errors import INTERNAL_MESSAGE, TransportCode, report, request_id_of
from server.transports.rate_limiter import RateLimiter, TooManyRequests

BODY_BYTES = 1_048_576

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class LimitedRoute(APIRoute):
    """Counts each call with the rate limits of its server, and reads at most BODY_BYTES of its body."""

    def get_route_handler(self) -> Handler:
        """Return the handler of the call, limited."""
        return _limited(super().get_route_handler())


def context_of(request: Request) -> Context:
    """Return the context of a call. The routes are shared by all applications of the process."""
    return request.app.state.make_context(request)


def _limited(handle: Handler) -> Handler:
    """Wrap the handler. An unexpected error ends here, because every layer that it passed would log it again."""

    async def handle_limited(request: Request) -> Response:
        rates: RateLimiter = request.app.state.container.rates
        try:
            rates.request(request)
            rates.spend(request, REST_COST)
            limited = Request(request.scope, _limited_receive(request.receive))
            if request.method not in ("GET", "HEAD"):
                return await handle(limited)
            async with rates.read_slot(request, REST_COST):
                return await handle(limited)
        except (HTTPException, RequestValidationError, DomainError, DomainErrors, Unavailable):
            raise
        except TooManyRequests as error:
            details = [{"retry_after_seconds": error.retry_after_seconds}]
            return error_response(429, TransportCode.RATE_LIMITED, f"{error.message}.", details, error.headers)
        except Exception as error:
            request_id = request_id_of(request)
            details = [{"id": report(error, request_id)["id"], "request_id": request_id}]
            return error_response(500, TransportCode.INTERNAL, INTERNAL_MESSAGE, details)

    return handle_limited


def _limited_receive(receive: Receive) -> Receive:
    """Count the body while it arrives, because the frameworks' own limit answers in plain text."""
    received_bytes = 0

    async def receive_limited() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > BODY_BYTES:
            raise HTTPException(413, "The body is too large")
        return message

    return receive_limited
