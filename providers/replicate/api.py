"""Replicate's HTTP API, as much of it as is used: https://replicate.com/docs/reference/http."""

import logging
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple, cast
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

from providers.port import Failure
from providers.replicate.failures import refusal
from providers.replicate.prediction import Prediction, read
from providers.replicate.retrying import Unanswered

log = logging.getLogger(__name__)

ADDRESS = "https://api.replicate.com/v1"
# "Output files are served by replicate.delivery and its subdomains." What a model says is not to be trusted: nothing
# else is fetched, or a model could have this server read addresses that only it can reach.
DELIVERY = "replicate.delivery"
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=60.0)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10)
SHORTEST_LIFE_SECONDS = 5


class Page(NamedTuple):
    """Some predictions, newest first, and what to ask for the next ones."""

    predictions: list[Prediction]
    next: dict[str, str] | None


class Api:
    """Each call is one try. Raises Failure for a refusal, which names its reason, Unanswered for lack of an answer."""

    def __init__(self, address: str, token: str) -> None:
        self._address = httpx.URL(address.rstrip("/") + "/")
        self._token = token
        headers = {"authorization": f"Bearer {token}", "user-agent": "scenewire"}
        self._http = httpx.AsyncClient(base_url=self._address, headers=headers, timeout=TIMEOUT, limits=LIMITS)

    async def create(self, request: Mapping[str, object], *, key: str, life_seconds: float) -> Prediction:
        """Buy a prediction, which ends by itself after its life. Not to be repeated when the answer was lost."""
        headers = {"cancel-after": f"{max(SHORTEST_LIFE_SECONDS, math.ceil(life_seconds))}s", "idempotency-key": key}
        return _prediction(await self._ask("POST", "predictions", json=request, headers=headers))

    async def get(self, prediction_id: str) -> Prediction:
        """The prediction as it stands."""
        return _prediction(await self._ask("GET", f"predictions/{quote(prediction_id, safe='')}"))

    async def cancel(self, prediction_id: str) -> None:
        """Stop a prediction."""
        await self._ask("POST", f"predictions/{quote(prediction_id, safe='')}/cancel")

    async def page(self, asked: Mapping[str, str]) -> Page:
        """One page of the predictions of this account."""
        said = await self._ask("GET", "predictions", params=asked)
        results, following = said.get("results"), said.get("next")
        if not isinstance(results, list):
            raise Unanswered("the answer is no list", harmless=True)
        predictions = [_prediction(item) for item in cast("list[object]", results)]
        # Only the query is taken over: the address in front of it is not always ours.
        query = dict(parse_qsl(urlsplit(following).query)) if isinstance(following, str) else None
        return Page(predictions, query or None)

    @asynccontextmanager
    async def download(self, address: str) -> AsyncGenerator[httpx.Response]:
        """The answer to a request for an output file, its body unread."""
        self._check_deliverer(address)
        try:
            async with self._http.stream("GET", address) as response:
                yield response
        except httpx.RequestError as error:
            raise _unanswered(error) from error

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def _ask(
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
            raise _unanswered(error) from error
        if not response.is_success:
            raise refusal(response, self._token)
        try:
            said: object = response.json()
        except ValueError as error:
            raise Unanswered("the answer is not JSON", harmless=False) from error
        return cast("dict[str, object]", said) if isinstance(said, dict) else {}

    def _check_deliverer(self, address: str) -> None:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise Failure("OUTPUT_REFUSED", "The model's output is no address.", retryable=False) from error
        own = (url.scheme, url.host, url.port) == (self._address.scheme, self._address.host, self._address.port)
        delivery = url.scheme == "https" and (url.host == DELIVERY or url.host.endswith(f".{DELIVERY}"))
        if not (own or delivery):
            message = f"The model's output lies at {url.host or 'no host'}, which is not Replicate's delivery."
            raise Failure("OUTPUT_REFUSED", message, retryable=False)


def stamp(moment: datetime) -> str:
    """A moment as the API wants it."""
    return moment.isoformat(timespec="microseconds")


def _prediction(said: object) -> Prediction:
    try:
        return read(said)
    except ValueError as error:
        raise Unanswered(f"the answer is {error}", harmless=False) from error


def _unanswered(error: httpx.RequestError) -> Unanswered:
    # Without a connection nothing was asked for; what happened on one that broke nobody knows.
    harmless = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return Unanswered(type(error).__name__, harmless=harmless)
