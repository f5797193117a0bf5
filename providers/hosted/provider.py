"""The provider of a hosted service: buys a job, polls it, and downloads its clip."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from providers import catalogue
from providers.cancellation import raise_if_cancelled
from providers.checks import answered
from providers.hosted import ids
from providers.hosted.client import Client, Request
from providers.hosted.downloads import Downloads
from providers.hosted.follows import Follows
from providers.hosted.job import Job, State
from providers.hosted.logs import Bars
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import Asset, EarlierOrder, Failure, Order, Progress, Rendered

log = logging.getLogger(__name__)

# Shorter than `give_up_after`: a client waits for the response to a cancel.
CANCEL_TIMEOUT_SECONDS = 60.0
# How long, of the time for refusals, an earlier job is asked for that the service may have deleted.
EARLIER_SHARE = 0.1
# The jobs of this process that are remembered by the key of their order.
MOST_REMEMBERED = 10_000


class HostedProvider:
    """Makes clips at a service that has no idempotency keys, so that an order is bought at most once by giving up.

    A creation without a response, and an order that another process may have bought, are searched for where the service
    lists jobs. Whatever is not found fails, not retryably and unsettled: only a person may decide to buy another.
    """

    def __init__(self, name: str, client: Client, pace: Pace, *, most_bytes: int) -> None:
        self.name = name
        self._client = client
        self._pace = pace
        self._service = client.http.service.name
        self._downloads = Downloads(client.http, pace, most_bytes)
        self._follows = Follows()
        self._known: dict[str, str] = {}

    async def models(self) -> Sequence[catalogue.Model]:
        """Return what can be ordered; it is read from the service in the background."""
        return self._client.models()

    async def submit(self, order: Order) -> str:
        """Buy the job of the order, unless there is one, of this order or of an earlier one that asked for the same."""
        found = self._known.get(order.key)
        if found is not None and not ids.parsed(found).print:
            # A callback has named it.
            found = await self._with_print(order, found)
        if found is None and not order.fresh:
            # Another process may have bought it, and died before its id was stored.
            found = await self._found(order) if self._client.searches else None
            if found is None:
                raise self._unknown()
        found = found or await self._of_earlier(order)
        if found is not None:
            log.info("the job exists", extra={"action": "hosted.found", "job": found})
            return self._note(order, found)
        return self._note(order, await self._bought(order, await self._request(order)))

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Poll the job until it is finished, then download its clip."""
        self._note(order, provider_id)
        job_id = ids.parsed(provider_id).job
        with self._follows.watched(job_id) as watch:
            bars = Bars()
            while not (job := await watch.until(self._poll(job_id))).finished:
                yield Progress(bars.update(job.logs))
                await watch.pause(self._pace.poll)
            if job.state is State.CANCELED and any(each.provider_id == provider_id for each in order.unsettled):
                # That of a take that was out of time: it ran on for a while.
                message = "The job of an earlier take, which was used, was canceled."
                raise Failure("PREDICTION_TIMEOUT", message, retryable=True)
            clip = await watch.until(self._downloads.fetch(job.clips(), order.workdir))
        yield Rendered(Asset(clip.path, clip.content_type), made=await self._client.made(order, job))

    async def cancel(self, provider_id: str) -> None:
        """Cancel the job, if the service can, and end the follows of it in this process."""
        job_id = ids.parsed(provider_id).job
        self._follows.cancel(job_id, "The job was canceled.")
        try:
            await retry_until_available(
                self._pace,
                lambda: self._client.cancel(job_id),
                give_up_after=CANCEL_TIMEOUT_SECONDS,
                refusals=min(self._pace.refusals, CANCEL_TIMEOUT_SECONDS),
            )
        except Refused as refusal:
            log.warning("not canceled: %s", refusal, extra={"action": "hosted.cancel", "job": job_id})
        except NoResponse as error:
            raise self._unavailable() from error

    async def check(self) -> str:
        """Return the service's description of the account. Raises Failure."""
        return await answered(self._service, self._client.check)

    async def close(self) -> None:
        """End all follows and close the connections. Jobs continue."""
        self._follows.close()
        await self._client.close()

    @property
    def listens(self) -> bool:
        """Whether callbacks of the service can be verified."""
        return self._client.listens

    async def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether a callback is from the service. Header names are in lower case."""
        return await self._client.signed(headers, body)

    def on_callback(self, key: str, callback: Mapping[str, object]) -> None:
        """Poll the job of an order now, if it is followed in this process; `callback` has a signature.

        A process that died before it stored the id of the job may have bought it: then the id is remembered.
        """
        job = self._client.job_in(callback)
        if job is not None and key not in self._known and len(self._known) < MOST_REMEMBERED:
            self._known[key] = job
        if key in self._known:
            self._follows.wake(ids.parsed(self._known[key]).job)

    def _note(self, order: Order, provider_id: str) -> str:
        self._known.pop(order.key, None)
        self._known[order.key] = provider_id
        if len(self._known) > MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        return provider_id

    async def _request(self, order: Order) -> Request:
        try:
            return await retry_until_available(
                self._pace, lambda: self._client.request(order), give_up_after=self._pace.give_up_after
            )
        except NoResponse as error:
            raise self._unavailable() from error
        except Refused as refusal:
            raise Failure(refusal.code, refusal.message, retryable=False) from refusal

    async def _bought(self, order: Order, request: Request) -> str:
        """Buy an order. A request is repeated only while it certainly had no effect."""
        give_up_at = time.monotonic() + self._pace.give_up_after
        backoffs = self._pace.backoffs()
        while True:
            try:
                job_id = await self._client.create(order, request)
            except NoResponse as error:
                raise_if_cancelled(error)
                if not error.harmless:
                    return await self._unanswered(order, error)
                wait = max(next(backoffs), error.wait_seconds)
                if time.monotonic() + wait > give_up_at:
                    raise self._unavailable() from error
                log.info("no response to a creation: %s", error, extra={"action": "hosted.no_response"})
                await asyncio.sleep(wait)
            except Refused as refusal:
                raise Failure(refusal.code, refusal.message, retryable=False) from refusal
            else:
                return await self._with_print(order, job_id)

    async def _unanswered(self, order: Order, error: NoResponse) -> str:
        """Return the job of a creation without a response. Raises Failure (PURCHASE_UNKNOWN) when it is not found."""
        log.warning("no response to a creation: %s", error, extra={"action": "hosted.no_response"})
        for pause in self._pace.settling if self._client.searches else ():
            await asyncio.sleep(pause)
            found = await self._found(order)
            if found is not None:
                return found
        raise self._unknown() from error

    async def _found(self, order: Order) -> str | None:
        """Return the job of an order that may have been submitted. Raises Failure when that cannot be found out."""
        try:
            return await self._search(order)
        except (NoResponse, Failure) as error:
            # Also when the model cannot be read, or is not what it was: another attempt would buy another job.
            raise_if_cancelled(error)
            raise self._unknown() from error

    async def _search(self, order: Order) -> str | None:
        job_id = await retry_until_available(
            self._pace, lambda: self._client.find(order), give_up_after=self._pace.give_up_after
        )
        return None if job_id is None else await self._with_print(order, job_id)

    async def _with_print(self, order: Order, job_id: str) -> str:
        """Return the provider id of a job of this order; what is paid for keeps its id if its model is gone."""
        try:
            return str(ids.JobId(job_id, await self._client.print_of(order)))
        except Failure as failure:
            raise_if_cancelled(failure)
            log.warning("no digest of job %s: %s", job_id, failure, extra={"action": "hosted.no_digest"})
            return job_id

    async def _of_earlier(self, order: Order) -> str | None:
        """Return the job of an earlier order that has come to a clip of this order, or still may."""
        for earlier in order.unsettled:
            try:
                found = await self._usable(earlier, order)
            except NoResponse as error:
                raise self._unavailable() from error
            except Refused as refusal:
                raise Failure(refusal.code, refusal.message, retryable=False) from refusal
            if found is not None:
                log.info("an earlier job is used", extra={"action": "hosted.reused", "job": found})
                return found
        return None

    async def _usable(self, earlier: EarlierOrder, order: Order) -> str | None:
        """Return the job of the earlier order if its clip can be used. Raises NoResponse or Refused."""
        former = replace(order, key=earlier.key, number=earlier.number, started_at=earlier.started_at, unsettled=())
        found = earlier.provider_id or self._known.get(earlier.key)
        if found is None and self._client.searches:
            found = await self._search(former)
        if found is None:
            return None
        known = ids.parsed(found)
        if known.print and known.print != await self._client.print_of(former):
            return None
        refusals = self._pace.refusals * EARLIER_SHARE
        try:
            job = await retry_until_available(
                self._pace,
                lambda: self._client.get(known.job),
                give_up_after=self._pace.give_up_after,
                refusals=refusals,
            )
        except Refused as refusal:
            if refusal.code == "NOT_FOUND":
                return None
            raise
        return found if job.is_or_gets_a_clip else None

    async def _poll(self, job_id: str) -> Job:
        """Return the job, retrying without limit while there is no response: it is paid for.

        Raises Failure, unsettled, when it is refused for too long; the job is canceled then.
        """
        try:
            return await retry_until_available(
                self._pace, lambda: self._client.get(job_id), refusals=self._pace.refusals
            )
        except Refused as refusal:
            await self._give_up(job_id)
            message = (
                f"{self._service} refused for {self._pace.refusals:g} seconds to return the job {job_id}. The last "
                f"reason: {refusal.message}"
            )
            raise Failure(refusal.code, message, retryable=False, unsettled=True) from refusal

    async def _give_up(self, job_id: str) -> None:
        try:
            await self._client.cancel(job_id)
        except (Refused, NoResponse) as error:
            raise_if_cancelled(error)
            log.error("gave up job %s, not canceled: %s", job_id, error, extra={"action": "hosted.given_up"})
        else:
            log.error("gave up job %s", job_id, extra={"action": "hosted.given_up"})

    def _unavailable(self) -> Failure:
        return Failure("PROVIDER_UNAVAILABLE", f"{self._service} does not respond.", retryable=True)

    def _unknown(self) -> Failure:
        message = (
            f"It is not known whether {self._service} took the order, which costs money; look there. A regenerate "
            + ("looks for it before it orders" if self._client.searches else "orders")
            + " another."
        )
        return Failure("PURCHASE_UNKNOWN", message, retryable=False, unsettled=True)
