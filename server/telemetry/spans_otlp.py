"""Sends spans to an OpenTelemetry collector (OTLP over HTTP), as the standard variables OTEL_… say.

Imported only where an exporter is configured. The SDK makes the spans of what is over already, with the ids that it had
while it went on; a thread of the SDK sends them in batches, and drops those that do not fit into its queue.
"""

import os
import socket
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from coordinator.telemetry.port import Span
from models.domain.trace import TraceContext
from server.version import VERSION

SERVICE: Final = "scenewire"
_KINDS: Final = {
    "scene.queued": SpanKind.INTERNAL,
    "scene.render": SpanKind.CONSUMER,
    "event.published": SpanKind.PRODUCER,
    "webhook.delivery": SpanKind.CLIENT,
}


class _GivenIds(IdGenerator):
    """Gives the ids of the span that is made now."""

    context: TraceContext

    def generate_span_id(self) -> int:
        """Return the id of the span."""
        return int(self.context.span_id, 16)

    def generate_trace_id(self) -> int:
        """Return the id of its trace."""
        return int(self.context.trace_id, 16)


class SpanSender:
    """Hands spans over to the SDK. Call `close` at the end, which sends what is left."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        self._ids = _GivenIds()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE, VERSION)

    def is_sampled(self, trace_id: int) -> bool:
        """Return whether the sampler of OTEL_TRACES_SAMPLER takes a new trace."""
        found = self._provider.sampler.should_sample(None, trace_id, SERVICE)
        return found.decision.is_sampled()

    def send(self, span: Span) -> None:
        """Queue a span, to be sent soon; it waits for nothing."""
        self._ids.context = span.context
        made = self._tracer.start_span(
            span.name,
            _below(span.context),
            _KINDS.get(span.name, SpanKind.SERVER),
            dict(span.attributes),
            start_time=span.started_at,
        )
        if span.error is not None:
            made.set_attribute("error.type", span.error)
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(span.ended_at)

    def close(self) -> None:
        """Send what is left, and stop. Blocks, for as long as the collector does."""
        self._provider.shutdown()


def _below(context: TraceContext) -> Context:
    """Return the context of the parent of a span; an empty one for the first span of a trace."""
    if context.parent_id is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    parent = SpanContext(int(context.trace_id, 16), int(context.parent_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _resource() -> Resource:
    """Return what describes this process; a name of the operator goes first."""
    named = OTEL_SERVICE_NAME in os.environ or "service.name=" in os.environ.get(OTEL_RESOURCE_ATTRIBUTES, "")
    own: dict[str, str] = {} if named else {"service.name": SERVICE}
    return Resource.create(
        {**own, "service.version": VERSION, "service.instance.id": f"{socket.gethostname()}-{os.getpid()}"}
    )
