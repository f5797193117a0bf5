"""The part of Replicate's HTTP API that is used: https://replicate.com/docs/reference/http."""

import logging
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple, cast
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

from providers.port import Failure
from providers.replicate.failures import error_of
from providers.replicate.prediction import Prediction, parse
from providers.replicate.retrying import NoResponse

log = logging.getLogger(__name__)

# "Output files are served by replicate.delivery and its subdomains." Only these are fetched: the output of a model is
# untrusted, and could otherwise make this server request private addresses (SSRF).
DELIVERY = "replicate.delivery"
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=60.0)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10)
SHORTEST_LIFETIME_SECONDS = 5


class Page(NamedTuple):
    """A page of predictions, newest first, and the query of the next page."""

    predictions: list[Prediction]
    next: dict[str, str] | None


class Api:
    """Each call is one request. Raises Failure with the reason of a refusal, NoResponse when there is no response."""

    def __init__(self, address: str, token: str) -> None:
        self._address = httpx.URL(address.rstrip("/") + "/")
        self._token = token
        headers = {"authorization": f"Bearer {token}", "user-agent": "scenewire"}
        self._http = httpx.AsyncClient(base_url=self._address, headers=headers, timeout=TIMEOUT, limits=LIMITS)

    async def create(self, request: Mapping[str, object], *, key: str, lifetime_seconds: float) -> Prediction:
        """Create a prediction, which Replicate cancels after its lifetime. Not idempotent."""
        headers = {
            "cancel-after": f"{max(SHORTEST_LIFETIME_SECONDS, math.ceil(lifetime_seconds))}s",
            "idempotency-key": key,
        }
        return _prediction(await self._request("POST", "predictions", json=request, headers=headers))

    async def get(self, prediction_id: str) -> Prediction:
        """Return the current state of a prediction."""
        return _prediction(await self._request("GET", f"predictions/{quote(prediction_id, safe='')}"))

    async def cancel(self, prediction_id: str) -> None:
        """Cancel a prediction."""
        await self._request("POST", f"predictions/{quote(prediction_id, safe='')}/cancel")

    async def page(self, query: Mapping[str, str]) -> Page:
        """Return one page of the predictions of this account."""
        body = await self._request("GET", "predictions", params=query)
        results, following = body.get("results"), body.get("next")
        if not isinstance(results, list):
            raise NoResponse("the response is not a list", harmless=True)
        predictions = [_prediction(item) for item in cast("list[object]", results)]
        # Only the query of the link is used: its address may differ from that of this client.
        next_query = dict(parse_qsl(urlsplit(following).query)) if isinstance(following, str) else None
        return Page(predictions, next_query or None)

    @asynccontextmanager
    async def download(self, address: str) -> AsyncGenerator[httpx.Response]:
        """Request an output file; yield the response, its body unread."""
        self._check_download(address)
        try:
            async with self._http.stream("GET", address) as response:
                yield response
        except httpx.RequestError as error:
            raise _no_response(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, object]:
        try:
            response = await self._http.request(method, path, json=json, headers=headers, params=params)
        except httpx.RequestError as error:
            raise _no_response(error) from error
        if not response.is_success:
            raise error_of(response, self._token)
        try:
            body: object = response.json()
        except ValueError as error:
            raise NoResponse("the response is not JSON", harmless=False) from error
        return cast("dict[str, object]", body) if isinstance(body, dict) else {}

    def _check_download(self, address: str) -> None:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise Failure("OUTPUT_REFUSED", "The model's output is not a URL.", retryable=False) from error
        own = (url.scheme, url.host, url.port) == (self._address.scheme, self._address.host, self._address.port)
        delivery = url.scheme == "https" and (url.host == DELIVERY or url.host.endswith(f".{DELIVERY}"))
        if not (own or delivery):
            message = f"The model's output is on {url.host or 'no host'}, which is not Replicate's delivery."
            raise Failure("OUTPUT_REFUSED", message, retryable=False)


def timestamp(moment: datetime) -> str:
    """Format a time for the API."""
    return moment.isoformat(timespec="microseconds")


def _prediction(data: object) -> Prediction:
    try:
        return parse(data)
    except ValueError as error:
        raise NoResponse(f"the response is {error}", harmless=False) from error


def _no_response(error: httpx.RequestError) -> NoResponse:
    # Without a connection the request had no effect; on one that broke it may have had.
    harmless = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return NoResponse(type(error).__name__, harmless=harmless)
