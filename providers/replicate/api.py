"""The part of Replicate's HTTP API that is used: https://replicate.com/docs/reference/http."""

import asyncio
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, cast
from urllib.parse import parse_qsl, quote, urlsplit

from providers.hosted.http import Http, Service
from providers.hosted.retrying import NoResponse
from providers.replicate.prediction import Prediction, parse

# "Output files are served by replicate.delivery and its subdomains." These get the token, too: files of a model that
# is private, or whose outputs are, are not delivered without.
DELIVERY = "replicate.delivery"
SHORTEST_LIFETIME_SECONDS = 5


class Page(NamedTuple):
    """A page of predictions, newest first, and the query of the next page."""

    predictions: list[Prediction]
    next: dict[str, str] | None


class Api:
    """Each call is one request. Raises Refused with the reason of a refusal, NoResponse when there is no response."""

    def __init__(self, address: str, token: str) -> None:
        service = Service("Replicate", address, f"Bearer {token}", token, (DELIVERY,), delivers_by_token=True)
        self.http = Http(service)

    async def create(self, request: Mapping[str, object], *, key: str, lifetime_seconds: float) -> Prediction:
        """Create a prediction, which Replicate cancels after its lifetime. Not idempotent."""
        headers = {
            "cancel-after": f"{max(SHORTEST_LIFETIME_SECONDS, math.ceil(lifetime_seconds))}s",
            "idempotency-key": key,
        }
        return _prediction(await self.http.request("POST", "predictions", json=request, headers=headers))

    async def get(self, prediction_id: str) -> Prediction:
        """Return the current state of a prediction."""
        prediction = _prediction(await self.http.request("GET", f"predictions/{quote(prediction_id, safe='')}"))
        if prediction.id != prediction_id:
            # A cache in between may confuse them.
            raise NoResponse("the response is another prediction", harmless=True)
        return prediction

    async def cancel(self, prediction_id: str) -> Prediction | None:
        """Cancel a prediction; return its state afterwards, if the response has it."""
        body = await self.http.request("POST", f"predictions/{quote(prediction_id, safe='')}/cancel")
        try:
            return parse(body)
        except ValueError:
            return None

    async def page(self, query: Mapping[str, str]) -> Page:
        """Return one page of the predictions of this account."""
        body = await self.http.request("GET", "predictions", params=query)
        results, following = body.get("results"), body.get("next")
        if not isinstance(results, list):
            raise NoResponse("the response is not a list", harmless=True)
        predictions = [_prediction(item) for item in cast("list[object]", results)]
        # Only the query of the link is used: its address may differ from that of this client.
        next_query = dict(parse_qsl(urlsplit(following).query)) if isinstance(following, str) else None
        return Page(predictions, next_query or None)

    async def account(self) -> str:
        """Return the name of the account that the token is of."""
        name = (await self.http.request("GET", "account")).get("username")
        if not isinstance(name, str):
            raise NoResponse("the response is no account", harmless=True)
        return name

    async def schema(self, owner: str, name: str, version: str | None) -> Mapping[str, object]:
        """Return the OpenAPI schema of a version of a model, without a version of the newest one.

        Raises NoResponse when the response has none.
        """
        path = f"models/{quote(owner, safe='')}/{quote(name, safe='')}"
        body = await self.http.request("GET", f"{path}/versions/{quote(version, safe='')}" if version else path)
        described: object = body if version else body.get("latest_version")
        schema = cast("dict[str, object]", described).get("openapi_schema") if isinstance(described, dict) else None
        if not isinstance(schema, dict):
            raise NoResponse("the response has no schema of the model", harmless=True)
        return cast("dict[str, object]", schema)

    async def upload(self, path: Path, content_type: str) -> str:
        """Upload a file, which Replicate keeps for a day; return its address. Harmless when it fails."""
        opened = await asyncio.to_thread(path.open, "rb")
        try:
            body = await self.http.request("POST", "files", files={"content": (path.name, opened, content_type)})
        except NoResponse as error:
            raise NoResponse(str(error), harmless=True, wait_seconds=error.wait_seconds) from error
        finally:
            opened.close()
        urls = body.get("urls")
        address = cast("dict[str, object]", urls).get("get") if isinstance(urls, dict) else None
        if not isinstance(address, str):
            raise NoResponse("the response has no address of the file", harmless=True)
        return address

    async def close(self) -> None:
        """Close the connections."""
        await self.http.close()


def timestamp(moment: datetime) -> str:
    """Format a time for the API."""
    return moment.isoformat(timespec="microseconds")


def _prediction(data: object) -> Prediction:
    try:
        return parse(data)
    except ValueError as error:
        raise NoResponse(f"the response is {error}", harmless=False) from error
