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
from server.rates import REST_COST
from server.rest.errors import error_response
from server.transports.errors import INTERNAL_MESSAGE, TransportCode, report, request_id_of
from server.transports.rate_limiter import RateLimiter, TooManyRequests

BODY_BYTES = 1_048_576

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def limited_route(rates: RateLimiter) -> type[APIRoute]:
    """Return a route class that counts each call with `rates` and reads at most BODY_BYTES of its body."""

    class LimitedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            return _limited(super().get_route_handler(), rates)

    return LimitedRoute


def _limited(handle: Handler, rates: RateLimiter) -> Handler:
    """Wrap the handler. An unexpected error ends here, because every layer that it passed would log it again."""

    async def handle_limited(request: Request) -> Response:
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
