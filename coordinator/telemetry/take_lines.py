"""Log lines of takes: one for each state that a take reaches, in the process that committed it. No prompt."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from itertools import islice

from models.writes.take_steps import State, TakeStep

log = logging.getLogger("coordinator.renders")

# A job may be started with hundreds of scenes: the event loop is not held up by their lines.
AT_ONCE = 20


def write(step: TakeStep) -> None:
    """Write the line of a step."""
    if not log.isEnabledFor(logging.INFO):
        return
    seconds = step.delay_seconds or None if step.state is State.QUEUED else step.seconds
    fields: dict[str, object] = {
        "action": f"render.{step.state.value}",
        "job": step.job_id,
        "scene": step.scene_id,
        "take": step.take_number,
        "take_id": step.take_id,
        "provider": step.provider,
        "run": step.run,
        "attempt": step.attempt,
        "worker": step.worker,
        "seconds": None if seconds is None else round(seconds, 3),
        "code": step.code,
    }
    if step.state is State.FAILED:
        fields["retried"] = step.retried
    log.info("take %s", step.state.value, extra=fields)


def write_some(steps: Sequence[TakeStep]) -> Sequence[TakeStep]:
    """Write the lines of the first steps; return the others, for `write_rest`."""
    for step in steps[:AT_ONCE]:
        write(step)
    return steps[AT_ONCE:]


async def write_rest(steps: Iterable[TakeStep]) -> None:
    """Write the lines of these steps; other tasks go on between them."""
    left = iter(steps)
    while some := list(islice(left, AT_ONCE)):
        await asyncio.sleep(0)
        for step in some:
            write(step)
