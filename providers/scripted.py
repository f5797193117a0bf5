"""The provider `scripted`, for tests and demos: plays the script in an order's metadata and returns a sample clip."""

import asyncio
import importlib
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from providers.catalogue import Model
from providers.port import Failure, Order, Progress, Rendered
from providers.script import Script, script
from providers.scripted_models import MODELS

if TYPE_CHECKING:
    from providers.sample import Sample


class ScriptedProvider:
    """Plays the object under "script" in an order's metadata; without one it succeeds in 0.2 s.

    Keys: outcome (succeed, fail, stall), retryable, code, message, steps, stepSeconds, failTakes (how many takes of a
    scene fail before one succeeds), frames (send an image with each step) and readInputs (fetch the inputs, and list
    them in the metrics). What it reports of the result: seed, ignored, cost, metrics. `submissions` counts submissions
    by order key, `cancels` counts cancels by provider id.
    """

    name = "scripted"

    def __init__(self) -> None:
        self.submissions: Counter[str] = Counter()
        self.cancels: Counter[str] = Counter()
        self._ends: defaultdict[str, set[asyncio.Future[Failure]]] = defaultdict(set)

    async def models(self) -> Sequence[Model]:
        """Return the models that tests and demos order."""
        return MODELS

    async def submit(self, order: Order) -> str:
        """Accept the order. Raises Failure when its script is invalid."""
        script(order)
        self.submissions[order.key] += 1
        return f"scripted-{order.key}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        """Play the script from its start, after a restart too."""
        play = script(order)
        files = await asyncio.to_thread(_sample)
        end: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self._ends[provider_id].add(end)
        try:
            for step in range(1, play.steps + 1):
                await _pause(play, end, last=step == play.steps)
                yield Progress(step / play.steps, _frame(play, files))
        finally:
            self._forget(provider_id, end)
        made = play.made
        if play.reads_inputs:
            made = replace(made, metrics={**made.metrics, "inputs": await _read(order)})
        yield replace(files.write(order.workdir), made=made)

    async def cancel(self, provider_id: str) -> None:
        """End the script of the order, if it is being played."""
        self.cancels[provider_id] += 1
        self._end(provider_id, Failure("CANCELED", "The render was canceled.", retryable=False))

    async def close(self) -> None:
        """End all scripts."""
        for provider_id in list(self._ends):
            self._end(provider_id, Failure("INTERRUPTED", "The provider was shut down.", retryable=True))

    def _end(self, provider_id: str, failure: Failure) -> None:
        for end in self._ends.get(provider_id, set()):
            if not end.done():
                end.set_result(failure)

    def _forget(self, provider_id: str, end: asyncio.Future[Failure]) -> None:
        self._ends[provider_id].discard(end)
        if not self._ends[provider_id]:
            del self._ends[provider_id]


async def _pause(play: Script, end: asyncio.Future[Failure], *, last: bool) -> None:
    """Wait for the duration of a step. A failure or a stall takes the place of the last step."""
    forever = last and play.outcome == "stall"
    done, _ = await asyncio.wait({end}, timeout=None if forever else play.step_seconds)
    if done:
        raise end.result()
    if last and play.outcome == "fail":
        raise play.failure


async def _read(order: Order) -> list[dict[str, object]]:
    """Fetch the inputs; return what they are. Raises Failure when one cannot be fetched."""
    return [
        {
            "role": source.role.value,
            "name": source.name,
            "contentType": source.content_type,
            "sizeBytes": (await source.path()).stat().st_size,
        }
        for source in order.inputs
    ]


def _frame(play: Script, files: "Sample") -> bytes | None:
    return files.frame if play.frames else None


def _sample() -> "Sample":
    """Return the sample clip. Its encoder is imported with the first clip: most servers never need it."""
    return importlib.import_module("providers.sample").sample()
