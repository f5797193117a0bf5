"""The client of fal's queue, and of its platform API, which describes models and lists requests.

The client library of fal is not used: it repeats a submission that got no response, which may buy twice.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast
from urllib.parse import quote

from providers import catalogue
from providers.fal import jobs
from providers.fal.described import described
from providers.fal.webhooks import SigningKeys
from providers.hosted import ids, inputs
from providers.hosted.client import Request
from providers.hosted.failures import in_words
from providers.hosted.files import addresses
from providers.hosted.http import Http, Service
from providers.hosted.job import Job
from providers.hosted.mapping import Mapped
from providers.hosted.reading import Reading
from providers.hosted.retrying import NoResponse, Pace, Refused
from providers.hosted.schema import is_object
from providers.hosted.seeds import is_own, seed_of
from providers.port import Failure, Made, Order

CALLBACK_PATH = "/callbacks/fal/"
DELIVERY = ("fal.media", "storage.googleapis.com")
# By how much the clocks of the database and of fal may differ.
CLOCKS_DIFFER = timedelta(minutes=10)
LOOK_BACK = timedelta(hours=3)
MOST_PAGES = 20
# The statuses 400 and 422 of a result: the request itself was refused or has failed.
_OF_REQUEST = ("INVALID_INPUT", "MODERATED", "REQUEST_REFUSED")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of fal's queue and of its platform API."""

    queue: str = "https://queue.fal.run"
    platform: str = "https://api.fal.ai/v1"


class _Listed(NamedTuple):
    """A request of the history: its input, and when it was sent, as ISO 8601 in UTC."""

    given: Mapping[str, object]
    request_id: object
    sent_at: str


class FalClient:
    """A client (`hosted.client.Client`). `names` are the models that are offered, the default first.

    `callbacks` is the https URL of this server, without a trailing slash, or empty; `keys` verify callbacks.
    """

    searches = True

    def __init__(
        self,
        addresses: Addresses,
        token: str,
        pace: Pace,
        names: Sequence[str],
        *,
        callbacks: str = "",
        keys: SigningKeys | None = None,
    ) -> None:
        key = f"Key {token}"
        self.http = Http(Service("fal", addresses.queue, key, token, DELIVERY))
        self._platform = Http(Service("fal", addresses.platform, key, token))
        self._callbacks = callbacks
        self._keys = keys
        self._names = tuple(names)
        self._described = {name: Reading(name, self._reader(name), pace) for name in self._names}

    def models(self) -> Sequence[catalogue.Model]:
        """Return the models by their own schemas."""
        for reading in self._described.values():
            reading.start()
        return tuple(_model(name, reading) for name, reading in self._described.items())

    async def request(self, order: Order) -> Request:
        """Return the input of the model."""
        fields = await self._fields(order)
        fields.check(order)
        return fields.input(order, _seed(fields, order), await addresses(order))

    async def print_of(self, order: Order) -> str:
        """Return a digest of what is asked."""
        fields = await self._fields(order)
        return ids.print_of({"model": self._name(order), "input": fields.input(order, _seed(fields, order), {})})

    async def create(self, order: Order, request: Request) -> str:
        """Submit the request to the queue."""
        name = self._name(order)
        params = {"fal_webhook": self._callbacks + CALLBACK_PATH + quote(order.key, safe="")} if self._callbacks else {}
        body = await self.http.request("POST", name, json=request, params=params)
        job_id = jobs.job_id_of(name, body.get("request_id"), body.get("response_url"))
        if job_id is None:
            raise NoResponse("the response has no id", harmless=False)
        return job_id

    async def find(self, order: Order) -> str | None:
        """Return the request of an order, by its seed, or by its whole input when the user chose the seed."""
        fields = await self._fields(order)
        asked = fields.input(order, _seed(fields, order), {})
        since = (order.started_at or datetime.now(UTC) - LOOK_BACK) - CLOCKS_DIFFER
        marked = is_own(order) and fields.seed is not None
        if order.inputs and not marked:
            # Files cannot be compared: a request with other ones would be taken for that of the order.
            return None
        found: list[tuple[str, str]] = []
        for each in await self._listed(self._name(order), since):
            same_seed = fields.seed is not None and each.given.get(fields.seed.name) == asked[fields.seed.name]
            alike = same_seed if marked else inputs.fit(inputs.digests(each.given), asked)
            job_id = jobs.job_id_of(self._name(order), each.request_id) if alike else None
            if job_id is not None:
                found.append((each.sent_at, job_id))
        # Of several alike the older ones are those of earlier takes.
        return max(found)[1] if found else None

    async def get(self, job_id: str) -> Job:
        """Return the state of a request, with its result once it is completed."""
        if not jobs.is_job_id(job_id):
            raise Refused("NOT_FOUND", "This is no id of a request.", retryable=False)
        status = await self.http.request("GET", f"{job_id}/status", params={"logs": "1"})
        if status.get("status") != "COMPLETED":
            return jobs.running(status)
        if status.get("error"):
            return jobs.failed(status, in_words(status["error"]))
        try:
            return jobs.succeeded(status, await self.http.request("GET", job_id))
        except Refused as refusal:
            if refusal.code not in _OF_REQUEST:
                raise
            return jobs.failed(status, refusal.message)

    async def cancel(self, job_id: str) -> None:
        """Cancel a request; one that runs may come to its end all the same."""
        if not jobs.is_job_id(job_id):
            return
        try:
            await self.http.request("PUT", f"{job_id}/cancel")
        except Refused as refusal:
            # 400: it is completed.
            if refusal.code not in ("NOT_FOUND", *_OF_REQUEST):
                raise

    async def check(self) -> str:
        """Read the history of the first model, as the search for a request does, which the key must be allowed to."""
        query = {"endpoint_id": self._names[0], "expand": "payloads", "limit": "1"}
        body = await self._platform.request("GET", "models/requests/by-endpoint", params=query)
        if not isinstance(body.get("items"), list):
            raise NoResponse("the response is not a list", harmless=True)
        return "the key is accepted"

    async def made(self, order: Order, job: Job) -> Made:
        """Return the seed of a clip, what had no effect, and the time that it took."""
        reading = self._described.get(self._name(order))
        fields = await reading.soon() if reading else None
        seed = job.seed
        if seed is None and fields is not None:
            seed = _seed(fields, order)
        settings = order.settings if seed is None else replace(order.settings, seed=seed)
        return Made(settings=settings, ignored=fields.ignored(order) if fields else (), metrics=job.metrics)

    @property
    def listens(self) -> bool:
        """Whether there are keys that verify callbacks."""
        return self._keys is not None

    async def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether a callback has a signature of fal."""
        return self._keys is not None and await self._keys.signed(headers, body)

    def job_in(self, callback: Mapping[str, object]) -> str | None:
        """Return None: a callback has the id of a request without the model's part of its path."""

    async def close(self) -> None:
        """Stop to read, and close the connections."""
        if self._keys is not None:
            await self._keys.close()
        for reading in self._described.values():
            await reading.close()
        await self._platform.close()
        await self.http.close()

    def _name(self, order: Order) -> str:
        return order.settings.model or self._names[0]

    async def _fields(self, order: Order) -> Mapped:
        reading = self._described.get(self._name(order))
        if reading is None:
            raise Failure("NOT_FOUND", f"The model {self._name(order)} is not configured any more.", retryable=False)
        return await reading.get()

    def _reader(self, name: str) -> Callable[[], Awaitable[Mapped]]:
        async def read() -> Mapped:
            body = await self._platform.request("GET", "models", params={"endpoint_id": name, "expand": "openapi-3.0"})
            entries = body.get("models")
            for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
                document = entry.get("openapi") if is_object(entry) and entry.get("endpoint_id") == name else None
                if is_object(document):
                    return described(name, document)
            raise ValueError("fal does not describe it")

        return read

    async def _listed(self, name: str, since: datetime) -> Sequence[_Listed]:
        """Return the model's requests, those that fal lists: not all that still run are."""
        found: list[_Listed] = []
        query = {"endpoint_id": name, "start": since.isoformat(), "expand": "payloads", "limit": "100"}
        for _ in range(MOST_PAGES):
            body = await self._platform.request("GET", "models/requests/by-endpoint", params=query)
            items = body.get("items")
            if not isinstance(items, list):
                raise NoResponse("the response is not a list", harmless=True)
            for item in cast("list[object]", items):
                given = item.get("json_input") if is_object(item) else None
                if is_object(item) and is_object(given):
                    found.append(_Listed(given, item.get("request_id"), str(item.get("sent_at"))))
            cursor = body.get("next_cursor")
            if not isinstance(cursor, str) or not body.get("has_more"):
                break
            query["cursor"] = cursor
        return found


def _seed(fields: Mapped, order: Order) -> int:
    return fields.seed_for(seed_of(order))


def _model(name: str, reading: Reading[Mapped]) -> catalogue.Model:
    found = reading.known.model(name) if reading.known else catalogue.any_model(name)
    return replace(found, available=reading.problem is None, unavailable_reason=reading.problem)
