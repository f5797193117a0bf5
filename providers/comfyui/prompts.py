"""The prompts of ComfyUI, found, polled and canceled although single responses are lost or refused."""

import asyncio
from collections.abc import Awaitable, Callable

from providers.comfyui.api import Api
from providers.comfyui.failures import lost, unavailable
from providers.comfyui.marks import prompt_id
from providers.comfyui.outputs import clip_of
from providers.comfyui.prompt import Phase, Prompt
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import EarlierOrder, Failure, Order

# Shorter than `give_up_after`: a client waits for the response to a cancel.
CANCEL_SECONDS = 60.0
# A version that chooses the ids itself needs a search of the history, whose entries hold the whole workflow.
MOST_SEARCHED = 100
# In how many looks a prompt must be missing. The queue is read before the history, into which prompts go from there.
MISSING_LOOKS = 2
# The queue holds the workflows of all prompts that wait: one in so many polls reads it.
QUEUE_EVERY = 5


class Prompts:
    """The prompts of one ComfyUI."""

    def __init__(self, api: Api, pace: Pace) -> None:
        self._api = api
        self._pace = pace

    async def find(self, key: str) -> Prompt | None:
        """Return the prompt of an order, wherever it is. Raises NoResponse and Refused after a while."""
        return await self._retried(lambda: self._find(key))

    async def find_settled(self, order: Order) -> Prompt | None:
        """Return the prompt of an order that was just submitted without a response, or by a worker that was killed."""
        for pause in (*self._pace.settling, 0.0):
            found = await self.find(order.key)
            if found is not None:
                return found
            await asyncio.sleep(pause)
        return None

    async def usable(self, earlier: EarlierOrder, digest: str) -> Prompt | None:
        """Return the prompt of an earlier order if it has come to a clip of this workflow, or still may."""
        found = await self.find(earlier.key)
        if found is None or found.marks is None or found.marks.digest != digest:
            return None
        if not found.finished:
            return found
        return found if found.phase is Phase.SUCCEEDED and _has_clip(found) else None

    async def cancel(self, name: str) -> None:
        """Take a prompt out of the queue, or interrupt it. Others are left alone. Raises NoResponse and Refused."""
        await retry_until_available(self._pace, lambda: self._cancel(name), give_up_after=CANCEL_SECONDS)

    def poll(self, name: str) -> "Poll":
        """Return the polling of a prompt, from its first look on."""
        return Poll(self._api, self._pace, name)

    async def _retried(self, call: Callable[[], Awaitable[Prompt | None]]) -> Prompt | None:
        return await retry_until_available(
            self._pace, call, give_up_after=self._pace.give_up_after, refusals=self._pace.refusals
        )

    async def _find(self, key: str) -> Prompt | None:
        name = prompt_id(key)
        queued = [prompt for prompt in await self._api.queue() if _is_of(prompt, key)]
        if queued:
            return queued[0]
        finished = await self._api.finished(name)
        if finished is not None:
            return finished
        return next((prompt for prompt in await self._api.recent(MOST_SEARCHED) if _is_of(prompt, key)), None)

    async def _cancel(self, name: str) -> None:
        await self._api.delete(name)
        running = [prompt.id for prompt in await self._api.queue() if prompt.phase is Phase.RUNNING]
        if name in running:
            await self._api.interrupt(name)


class Poll:
    """The polling of one prompt."""

    def __init__(self, api: Api, pace: Pace, name: str) -> None:
        self._api = api
        self._pace = pace
        self._name = name
        self._polls = 0
        self._missing = 0

    async def look(self, *, thoroughly: bool) -> Prompt | None:
        """Return the prompt once it is finished; None before. Retried while there is no response, or a refusal.

        `thoroughly`: it may have been lost. Raises Failure (PROMPT_LOST), and that of the last response after a while.
        """
        pace = self._pace
        self._polls += 1
        with_queue = thoroughly or self._missing > 0 or self._polls % QUEUE_EVERY == 1
        try:
            return await retry_until_available(
                pace,
                lambda: self._look(with_queue=with_queue),
                give_up_after=pace.give_up_after,
                refusals=pace.refusals,
            )
        except NoResponse as error:
            raise unavailable(unsettled=True) from error
        except Refused as refusal:
            raise Failure(refusal.code, refusal.message, retryable=False, unsettled=True) from refusal

    async def _look(self, *, with_queue: bool) -> Prompt | None:
        if not with_queue:
            return await self._api.finished(self._name)
        queued = any(prompt.id == self._name for prompt in await self._api.queue())
        finished = None if queued else await self._api.finished(self._name)
        self._missing = 0 if queued or finished is not None else self._missing + 1
        if self._missing >= MISSING_LOOKS:
            raise lost()
        return finished


def _is_of(prompt: Prompt, key: str) -> bool:
    return prompt.id == prompt_id(key) or (prompt.marks is not None and prompt.marks.order == key)


def _has_clip(prompt: Prompt) -> bool:
    try:
        clip_of(prompt.outputs, prompt.marks.output if prompt.marks is not None else None)
    except Failure:
        return False
    return True
