"""Webhooks from hosted providers: each only wakes the render that polls the job; its content is not used."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from models.lazy_import import lazily
from providers.port import Provider
from providers.replicate.webhooks import SigningSecret
from server.settings import Settings

if TYPE_CHECKING:
    from providers.hosted import provider as hosted
    from providers.replicate import provider as replicate
else:
    hosted, replicate = lazily("providers.hosted.provider"), lazily("providers.replicate.provider")

log = logging.getLogger(__name__)

# Enough for a job with its logs; the state of a larger one is found by polling.
BODY_BYTES = 1 << 20
PATH = "/callbacks/"
HOSTED = ("openrouter", "fal")


class Listener(NamedTuple):
    """What verifies the callbacks of a provider, and what is done with one; ValueError refuses it.

    The first takes the headers, with names in lower case, and the body; the second the key of the order and the JSON.
    """

    signed: Callable[[Mapping[str, str], bytes], Awaitable[bool]]
    receive: Callable[[str, Mapping[str, object]], None]


def callback_routes(providers: Mapping[str, Provider], settings: Settings) -> list[Route]:
    """Return the routes POST /callbacks/{provider}/{key} of those whose callbacks can be verified."""
    return [
        Route(f"{PATH}{name}/{{key}}", _endpoint(listener), methods=["POST"])
        for name, provider in providers.items()
        if (listener := _listener(name, provider, settings)) is not None
    ]


def _listener(name: str, provider: Provider, settings: Settings) -> Listener | None:
    if name in HOSTED and isinstance(provider, hosted.HostedProvider) and provider.listens:
        return Listener(provider.signed, provider.on_callback)
    secret = settings.replicate_webhook_secret.get_secret_value()
    if name != "replicate" or not secret or not isinstance(provider, replicate.ReplicateProvider):
        return None
    signing = SigningSecret(secret)

    async def signed(headers: Mapping[str, str], body: bytes) -> bool:
        return signing.signed(headers, body)

    def receive(_: str, callback: Mapping[str, object]) -> None:
        prediction_id = callback.get("id")
        if not isinstance(prediction_id, str):
            raise ValueError("there is no id")
        provider.wake(prediction_id)

    return Listener(signed, receive)


def _endpoint(listener: Listener) -> Callable[[Request], Awaitable[Response]]:
    async def receive(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        if not await listener.signed(request.headers, body):
            log.warning("Callback without a valid signature", extra={"action": "callback.refused"})
            return Response(status_code=401)
        try:
            # The content is not used, because a callback may be late, out of order or repeated.
            listener.receive(str(request.path_params["key"]), _parsed(body))
        except ValueError:
            return Response(status_code=400)
        return Response(status_code=204)

    return receive


async def _body(request: Request) -> bytes | None:
    """Read the whole body; None when it is larger than BODY_BYTES. Raises ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            return None
    return bytes(body)


def _parsed(body: bytes) -> Mapping[str, object]:
    """Return the JSON object of a body. Raises ValueError for anything else."""
    try:
        parsed: object = json.loads(body)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    if not isinstance(parsed, dict):
        raise ValueError("the body is no object")
    return cast("dict[str, object]", parsed)
