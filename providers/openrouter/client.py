"""The client of OpenRouter's video API.

It has no idempotency keys, no list of jobs and no cancel: https://openrouter.ai/docs/api/api-reference/videos.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import cast
from urllib.parse import quote

from providers import catalogue
from providers.hosted import ids
from providers.hosted.client import Request
from providers.hosted.files import addresses
from providers.hosted.http import Http, Service
from providers.hosted.job import Job, State
from providers.hosted.outputs import Candidate, Likelihood
from providers.hosted.reading import Reading
from providers.hosted.retrying import NoResponse, Pace
from providers.hosted.schema import is_object
from providers.hosted.seeds import seed_of
from providers.openrouter.described import Described, described
from providers.openrouter.webhooks import SigningSecret
from providers.port import Cost, Failure, Made, Order

CALLBACK_PATH = "/callbacks/openrouter/"
_STATES = {
    "completed": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELED,
    "expired": State.EXPIRED,
}
Listed = Mapping[str, Described]


class OpenRouterClient:
    """A client (`hosted.client.Client`). `names` are the models that are offered, the default first; all without any.

    `callbacks` is the https URL of this server, without a trailing slash, or empty; `signing` verifies callbacks.
    """

    searches = False

    def __init__(
        self,
        address: str,
        token: str,
        pace: Pace,
        names: Sequence[str] = (),
        *,
        callbacks: str = "",
        signing: SigningSecret | None = None,
    ) -> None:
        # Outputs are behind the API itself, which may redirect to the storage of a maker.
        self.http = Http(Service("OpenRouter", address, f"Bearer {token}", token, delivery=None))
        self._names = tuple(names)
        self._callbacks = callbacks
        self._signing = signing
        self._listed = Reading("the list of OpenRouter's models", self._read, pace)

    def models(self) -> Sequence[catalogue.Model]:
        """Return the models of OpenRouter's list."""
        self._listed.start()
        problem = self._listed.problem
        listed = self._listed.known
        if listed is None:
            names = self._names or (catalogue.DEFAULT_MODEL_NAME,)
            unknown = (catalogue.any_model(name) for name in names)
            return tuple(replace(each, available=False, unavailable_reason=problem) for each in unknown)
        names = self._names or tuple(listed)
        return tuple(_model(name, listed.get(name), problem) for name in names)

    async def request(self, order: Order) -> Request:
        """Return the request that buys an order."""
        found = await self._described(order)
        asked = found.request(order, await addresses(order))
        return asked | ({"callback_url": self._callback(order)} if self._callbacks else {})

    async def print_of(self, order: Order) -> str:
        """Return a digest of what is asked."""
        return ids.print_of((await self._described(order)).request(order, {}))

    async def create(self, order: Order, request: Request) -> str:
        """Buy the order."""
        body = await self.http.request("POST", "videos", json=request)
        job_id = body.get("id")
        if not isinstance(job_id, str) or not job_id:
            raise NoResponse("the response has no id", harmless=False)
        return job_id

    async def find(self, order: Order) -> str | None:
        """Return None: nothing lists the jobs."""

    async def get(self, job_id: str) -> Job:
        """Return the state of a job; an unknown state counts as running."""
        body = await self.http.request("GET", f"videos/{quote(job_id, safe='')}")
        if body.get("id") != job_id:
            # A cache in between may confuse them.
            raise NoResponse("the response is another job", harmless=True)
        error, usage = body.get("error"), body.get("usage")
        return Job(
            _STATES.get(str(body.get("status")), State.RUNNING),
            files=self._files(job_id, body.get("unsigned_urls")),
            error=error if isinstance(error, str) else "",
            cost=_cost(usage),
            metrics={"byok": True} if is_object(usage) and usage.get("is_byok") is True else {},
        )

    async def cancel(self, job_id: str) -> None:
        """Do nothing: the API cannot cancel, and the job is paid for."""

    async def check(self) -> str:
        """Return how much the key may still spend: https://openrouter.ai/docs/api/api-reference/api-keys."""
        data = (await self.http.request("GET", "key")).get("data")
        if not is_object(data):
            raise NoResponse("the response does not describe the key", harmless=True)
        left = data.get("limit_remaining")
        if not isinstance(left, int | float):
            return "the key is accepted and has no limit"
        if left <= 0:
            raise Failure("PAYMENT_REQUIRED", "The key has reached its limit.", retryable=False)
        return f"the key is accepted, and may spend {left:.2f} USD more"

    async def made(self, order: Order, job: Job) -> Made:
        """Return the seed and the cost of a clip."""
        listed = await self._listed.soon()
        found = listed.get(self._name(order, listed)) if listed is not None else None
        # The clip counts more than its seed.
        seeded = found.seed if found is not None else order.settings.seed is not None
        settings = replace(order.settings, seed=seed_of(order)) if seeded else order.settings
        return Made(settings=settings, cost=job.cost, metrics=job.metrics)

    @property
    def listens(self) -> bool:
        """Whether there is a secret that verifies callbacks."""
        return self._signing is not None

    async def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether a callback has the signature of the workspace."""
        return self._signing is not None and self._signing.signed(headers, body)

    def job_in(self, callback: Mapping[str, object]) -> str | None:
        """Return the id of the job that a callback is about."""
        data = callback.get("data")
        found = data.get("id") if is_object(data) else None
        return found if isinstance(found, str) else None

    async def close(self) -> None:
        """Stop to read, and close the connections."""
        await self._listed.close()
        await self.http.close()

    async def _described(self, order: Order) -> Described:
        listed = await self._listed.get()
        name = self._name(order, listed)
        if name not in listed:
            raise Failure("NOT_FOUND", f"OpenRouter does not list the model {name}.", retryable=False)
        return listed[name]

    def _name(self, order: Order, listed: Listed) -> str:
        name = order.settings.model
        if name is None or (name == catalogue.DEFAULT_MODEL_NAME and name not in listed):
            return next(iter(self._names or listed), "")
        return name

    async def _read(self) -> Listed:
        body = await self.http.request("GET", "videos/models")
        entries = body.get("data")
        if not isinstance(entries, list):
            raise NoResponse("the response is not a list", harmless=True)
        found = (described(entry) for entry in cast("list[object]", entries))
        listed = {each.name: each for each in found if each is not None}
        if not listed:
            raise ValueError("it has no models")
        return listed

    def _callback(self, order: Order) -> str:
        return self._callbacks + CALLBACK_PATH + quote(order.key, safe="")

    def _files(self, job_id: str, urls: object) -> Sequence[Candidate]:
        given = [each for each in cast("list[object]", urls) if isinstance(each, str)] if isinstance(urls, list) else []
        own = f"{self.http.service.address.rstrip('/')}/videos/{quote(job_id, safe='')}/content?index=0"
        return [Candidate(Likelihood.LIKELY, address) for address in dict.fromkeys((*given, own))]


def _model(name: str, found: Described | None, problem: str | None) -> catalogue.Model:
    if found is None:
        reason = "OpenRouter does not list it."
        return replace(catalogue.plain_model(name), available=False, unavailable_reason=reason)
    return replace(found.model, available=problem is None, unavailable_reason=problem)


def _cost(usage: object) -> Cost | None:
    """Return the cost in credits, which are US dollars."""
    amount = usage.get("cost") if is_object(usage) else None
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
        return None
    return Cost(Decimal(str(amount)), "USD")
