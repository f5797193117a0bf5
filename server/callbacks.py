"""Webhooks from Replicate: each only wakes the render that polls the prediction; its content is not used."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from models.lazy_import import lazily
from providers.port import Provider
from providers.replicate.model import CALLBACK_PATH
from providers.replicate.webhooks import SigningSecret
from server.settings import Settings

if TYPE_CHECKING:
    from providers.replicate import provider as replicate
else:
    replicate = lazily("providers.replicate.provider")

log = logging.getLogger(__name__)

# Enough for a prediction with its logs; the state of a larger one is found by polling.
BODY_BYTES = 1 << 20


def callback_routes(providers: Mapping[str, Provider], settings: Settings) -> list[Route]:
    """Return the route POST /callbacks/replicate/{key}; no route without a secret that verifies callbacks."""
    provider = providers.get("replicate")
    secret = settings.replicate_webhook_secret.get_secret_value()
    if not secret or not isinstance(provider, replicate.ReplicateProvider):
        return []
    signing = SigningSecret(secret)

    async def receive(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        if not signing.signed(request.headers, body):
            log.warning("Callback without a valid signature", extra={"action": "callback.refused"})
            return Response(status_code=401)
        prediction_id = _prediction_id(body)
        if prediction_id is None:
            return Response(status_code=400)
        # The content is not used, because a callback may be late, out of order or repeated.
        provider.wake(prediction_id)
        return Response(status_code=204)

    endpoint: Callable[[Request], Awaitable[Response]] = receive
    return [Route(CALLBACK_PATH + "{key}", endpoint, methods=["POST"])]


async def _body(request: Request) -> bytes | None:
    """Read the whole body; None when it is larger than BODY_BYTES. Raises ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            return None
    return bytes(body)


def _prediction_id(body: bytes) -> str | None:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    prediction_id = cast("dict[str, object]", parsed).get("id") if isinstance(parsed, dict) else None
    return prediction_id if isinstance(prediction_id, str) else None
