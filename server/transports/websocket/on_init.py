"""The callback of `connection_init`, which authenticates a websocket."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.websockets import WebSocket

from server.transports.closing import CloseCode, CloseConnection, try_again_later
from server.transports.errors import report, request_id_of
from server.transports.rate_limiter import TooManyRequests
from server.transports.websocket.messages import Payload

OnInit = Callable[[WebSocket, Payload | None], Awaitable[Mapping[str, object] | None]]
"""Called with the payload of `connection_init`; returns the payload of `connection_ack`. It stores what the context
factory needs in `websocket.state`, and raises CloseConnection to reject the client."""


async def call_on_init(
    on_init: OnInit | None, socket: WebSocket, payload: Payload | None
) -> Mapping[str, object] | None:
    """Return the payload of the acknowledgement. Raises CloseConnection; unexpected errors are logged."""
    if on_init is None:
        return None
    try:
        return await on_init(socket, payload)
    except CloseConnection:
        raise
    except TooManyRequests as limited:
        raise try_again_later(limited.message, limited.retry_after_seconds) from None
    except Exception as error:
        error_id = report(error, request_id_of(socket))["id"]
        raise CloseConnection(CloseCode.FORBIDDEN, f"Internal error {error_id}") from None
