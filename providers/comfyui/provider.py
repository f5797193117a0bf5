"""The provider: uploads inputs, queues a prompt, listens to it, and downloads its clip."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from providers.cancellation import raise_if_cancelled
from providers.catalogue import Model
from providers.checks import answered
from providers.comfyui.api import Api
from providers.comfyui.downloads import Downloads
from providers.comfyui.failures import CANCELED, canceled, interrupted_before, unavailable
from providers.comfyui.listener import Listener
from providers.comfyui.marks import FIELD, Marks, client_id, prompt_id
from providers.comfyui.outputs import clip_of
from providers.comfyui.progress import NodeProgress
from providers.comfyui.prompt import Phase, Prompt
from providers.comfyui.prompts import Prompts
from providers.comfyui.uploads import Uploads
from providers.comfyui.workflows.templates import Templates
from providers.hosted.follows import Follows
from providers.hosted.retrying import NoResponse, Pace, Refused
from providers.hosted.watch import Watch
from providers.port import Failure, Made, Order, Progress, Rendered
from providers.refusals import failure_for, reason_of

log = logging.getLogger(__name__)

# A preview is shown at most so often, because each is re-encoded.
PREVIEW_SECONDS = 1.0


class ComfyUIProvider:
    """Makes clips by the workflows of one ComfyUI server.

    The id of a prompt follows from the order's key, so that it is found in the queue or the history before the order
    is submitted again. An attempt costs time of the GPU but no money: failures are retryable unless the same workflow
    would fail again.
    """

    name = "comfyui"

    def __init__(self, api: Api, templates: Templates, pace: Pace, *, most_bytes: int) -> None:
        self._api = api
        self._templates = templates
        self._pace = pace
        self._prompts = Prompts(api, pace)
        self._uploads = Uploads(api, pace)
        self._downloads = Downloads(api, pace, most_bytes)
        self._follows = Follows()

    async def models(self) -> Sequence[Model]:
        """Return a model for each template."""
        return [template.model for template in self._templates]

    async def submit(self, order: Order) -> str:
        """Queue the prompt of the order, unless there is one, of this order or of an earlier one that fits."""
        template = self._templates.named(order.settings.model)
        template.check(order)
        if not order.fresh and (found := await self._found(order)) is not None:
            return found
        files = [await self._uploads.upload(file) for file in order.inputs]
        filled = template.fill(order, files)
        if (found := await self._of_earlier(order, filled.digest)) is not None:
            return found
        marks = Marks.of(order.key, filled, template.header.output)
        body: dict[str, object] = {
            "prompt": filled.workflow,
            "prompt_id": prompt_id(order.key),
            "client_id": prompt_id(order.key),
            "extra_data": {FIELD: marks.as_json()},
        }
        return await self._queued(order, body)

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Report progress until the prompt is in the history, then download its clip."""
        with self._follows.watched(provider_id) as watch:
            async with self._listening(order, provider_id, watch) as listener:
                poll = self._prompts.poll(provider_id)
                prompt: Prompt | None = None
                looked_at = shown_at = -math.inf
                fraction = listener.fraction
                while prompt is None:
                    if listener.look_again or time.monotonic() - looked_at >= self._pace.poll:
                        thoroughly, listener.look_again = listener.look_again, False
                        prompt = await watch.until(poll.look(thoroughly=thoroughly))
                        looked_at = time.monotonic()
                    frame = None
                    if prompt is not None or time.monotonic() - shown_at >= PREVIEW_SECONDS:
                        frame = await watch.until(listener.frame())
                        shown_at = time.monotonic() if frame is not None else shown_at
                    while listener.fractions:
                        fraction = listener.fractions.popleft()
                        yield Progress(fraction)
                    yield Progress(fraction, frame)
                    if prompt is None:
                        await watch.pause(max(0.0, looked_at + self._pace.poll - time.monotonic()))
            rendered = await watch.until(self._rendered(prompt, order))
        yield rendered

    async def check(self) -> str:
        """Return the version of ComfyUI and its devices. Raises Failure."""
        return await answered("ComfyUI", self._api.version)

    async def cancel(self, provider_id: str) -> None:
        """Cancel the prompt, and end the follows of it in this process."""
        self._follows.cancel(provider_id, CANCELED)
        try:
            await self._prompts.cancel(provider_id)
        except Refused as refusal:
            log.warning("not canceled: %s", refusal, extra={"action": "comfyui.cancel", "prompt": provider_id})
        except NoResponse as error:
            raise unavailable() from error

    async def close(self) -> None:
        """End all follows and close the connections. Prompts continue."""
        self._follows.close()
        await self._api.close()

    async def _queued(self, order: Order, body: dict[str, object]) -> str:
        """Submit a prompt once, although responses may be lost. Raises Failure."""
        give_up_at = time.monotonic() + self._pace.give_up_after
        backoffs = self._pace.backoffs()
        may_exist = not order.fresh
        while True:
            try:
                return await self._api.submit(body)
            except NoResponse as error:
                raise_if_cancelled(error)
                may_exist = may_exist or not error.harmless
                log.info("no response to a prompt: %s", error, extra={"action": "comfyui.no_response"})
                wait = max(next(backoffs), error.wait_seconds)
                if time.monotonic() + wait > give_up_at:
                    raise unavailable(unsettled=may_exist) from error
            except Refused as refusal:
                raise Failure(refusal.code, refusal.message, retryable=False, unsettled=may_exist) from refusal
            await asyncio.sleep(wait)
            if may_exist and (found := await self._found(order)) is not None:
                return found

    async def _found(self, order: Order) -> str | None:
        """Return the id of the order's own prompt; one that may just have been submitted needs time to be queued."""
        try:
            found = await self._prompts.find_settled(order)
        except NoResponse as error:
            raise unavailable(unsettled=True) from error
        except Refused as refusal:
            raise Failure(refusal.code, refusal.message, retryable=False, unsettled=True) from refusal
        if found is not None:
            log.info("the prompt exists", extra={"action": "comfyui.found", "prompt": found.id})
        return found.id if found is not None else None

    async def _of_earlier(self, order: Order, digest: str) -> str | None:
        """Return the prompt of an earlier order that has come to a clip of this order, or still may."""
        for earlier in order.unsettled:
            try:
                found = await self._prompts.usable(earlier, digest)
            except NoResponse as error:
                raise unavailable() from error
            except Refused as refusal:
                raise Failure(refusal.code, refusal.message, retryable=False) from refusal
            if found is not None:
                log.info("an earlier prompt fits", extra={"action": "comfyui.found", "prompt": found.id})
                return found.id
        return None

    async def _rendered(self, prompt: Prompt, order: Order) -> Rendered:
        """Return the clip of a finished prompt. Raises Failure."""
        match prompt.phase:
            case Phase.INTERRUPTED if prompt.marks is not None and prompt.marks.order != order.key:
                # That of a take that was out of time: it ran on until its next step.
                raise interrupted_before()
            case Phase.INTERRUPTED:
                raise canceled()
            case Phase.FAILED:
                error = prompt.error or "It gave no reason."
                raise failure_for(reason_of(error), error, unknown="PROMPT_FAILED")
            case _:
                node = prompt.marks.output if prompt.marks is not None else None
                clip = await self._downloads.fetch(clip_of(prompt.outputs, node), order.workdir)
                return Rendered(clip, repeatable=True, made=_made(prompt))

    @asynccontextmanager
    async def _listening(self, order: Order, provider_id: str, watch: Watch) -> AsyncGenerator[Listener]:
        client = client_id(provider_id, order.key)
        progress = NodeProgress(self._weights(order))
        listener = Listener(lambda: self._api.messages(client), provider_id, progress, self._pace, watch.wake)
        task = asyncio.create_task(listener.run(), name=f"listen to {provider_id}")
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _weights(self, order: Order) -> Mapping[str, float]:
        try:
            return self._templates.named(order.settings.model).weights(order)
        except Failure:
            # The prompt was queued with a template that is gone.
            return {}


def _made(prompt: Prompt) -> Made:
    metrics: dict[str, object] = {"executionSeconds": prompt.seconds} if prompt.seconds is not None else {}
    if prompt.marks is None:
        return Made(metrics=metrics)
    return Made(settings=prompt.marks.settings, ignored=prompt.marks.ignored, metrics=metrics)
