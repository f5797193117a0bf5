"""The spans of a take, of the events that it causes, and of their deliveries.

The span of a request is stored with the takes that it queues, in the format of the header `traceparent`. The process
that claims a take continues this trace: the time in the queue is a child span, and the render is a child of that. Their
ids are derived from the take, so that every process computes the same ones and none are stored.
"""

import hashlib
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from coordinator.telemetry.port import Attributes, Span, Telemetry
from models.db.rows import EventRow
from models.domain import trace
from models.domain.trace import TraceContext
from models.writes.take_steps import State, TakeStep

RENDER = "scene.render"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A trace shows how far a change has come, not what each of hundreds of events was.
_MOST_TYPES = 10


def continued(traceparent: str | None) -> TraceContext:
    """Return the stored span; the first one of a new trace where none was stored, as by older processes."""
    return trace.parse(traceparent) or trace.new()


def waiting(parent: TraceContext, take_id: str) -> TraceContext:
    """Return the span of waiting for a worker."""
    return _derived(parent, f"waiting:{take_id}")


def render(parent: TraceContext, take_id: str, run: int) -> TraceContext:
    """Return the span of rendering a take; each process that takes a render over has its own, with a higher `run`."""
    return _derived(waiting(parent, take_id), f"render:{take_id}:{run}")


def nanoseconds(instant: datetime) -> int:
    """Return the time since 1970, UTC."""
    return int((instant - _EPOCH).total_seconds() * 1_000_000) * 1_000


def report_step(telemetry: Telemetry, step: TakeStep) -> None:
    """Report the span that ends with this step, if it has one: of waiting, or of a render by a leased worker."""
    context, take_id = step.trace, step.take_id
    if context is None or take_id is None or not telemetry.traces or not context.sampled:
        return
    ended_at = nanoseconds(step.at)
    started_at = ended_at - int((step.seconds or 0.0) * 1e9)
    if step.state is State.CLAIMED:
        name, context = "scene.queued", waiting(context, take_id)
    else:
        name, context = RENDER, context._replace(parent_id=waiting(context, take_id).span_id)
    attributes: dict[str, str | int] = {
        "scenewire.provider": step.provider,
        "scenewire.job": step.job_id,
        "scenewire.scene": step.scene_id,
        "scenewire.take": take_id,
        "scenewire.take_number": step.take_number,
        "scenewire.run": step.run or 0,
        "scenewire.state": step.state.value,
    }
    telemetry.span(Span(name, context, started_at, ended_at, attributes, step.code))


def report_published(telemetry: Telemetry, job_id: str, events: Sequence[EventRow]) -> None:
    """Report that events were committed and published, below the span of the current task."""
    context = trace.current()
    if not events or context is None or not telemetry.traces or not context.sampled:
        return
    types = [event.type.value for event in events[:_MOST_TYPES]]
    attributes: Attributes = {
        "scenewire.job": job_id,
        "scenewire.version": events[-1].version,
        "scenewire.events": ",".join(types),
    }
    now = time.time_ns()
    telemetry.span(Span("event.published", context.child(), nanoseconds(events[-1].occurred_at), now, attributes))


class Measured:
    """A span that is going on; what is found out meanwhile is added to it."""

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = dict(attributes)
        self.error: str | None = None


@contextmanager
def measured(telemetry: Telemetry, name: str, context: TraceContext, attributes: Attributes) -> Generator[Measured]:
    """Make `context` the span of the block, and report it at its end."""
    span, started_at = Measured(attributes), time.time_ns()
    try:
        with trace.within(context):
            yield span
    except Exception as error:
        span.error = span.error or type(error).__name__
        raise
    finally:
        if telemetry.traces and context.sampled:
            telemetry.span(Span(name, context, started_at, time.time_ns(), span.attributes, span.error))


def _derived(parent: TraceContext, name: str) -> TraceContext:
    digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return parent._replace(span_id=digest, parent_id=parent.span_id)
