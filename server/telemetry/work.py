"""Telemetry of the background work: metrics where they are exposed, traces where a collector is set."""

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from coordinator.telemetry.port import Span
from models.domain import trace
from models.lazy_import import lazily
from models.writes.store import Store
from models.writes.take_steps import TakeStep

if TYPE_CHECKING:
    from server.telemetry import spans_otlp, work_gauges, work_metrics
    from server.telemetry.registry import Metrics
    from server.telemetry.spans_otlp import SpanSender
    from server.telemetry.work_metrics import WorkMetrics
else:
    # Most processes expose no metrics or send no traces.
    spans_otlp = lazily("server.telemetry.spans_otlp")
    work_gauges = lazily("server.telemetry.work_gauges")
    work_metrics = lazily("server.telemetry.work_metrics")

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def exports_traces(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether an exporter of traces is configured, and not switched off, by the standard variables."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none":
        return False
    return any(environment.get(name, "").strip() for name in _ENDPOINTS)


class WorkTelemetry:
    """The telemetry of a process."""

    def __init__(self, sender: "SpanSender | None" = None) -> None:
        self._metrics: WorkMetrics | None = None
        self._sender = sender

    def count_in(self, metrics: "Metrics", store: Store) -> None:
        """Add the metrics of the background work to those of the process; once."""
        self._metrics = work_metrics.WorkMetrics(metrics.registry)
        work_gauges.WorkGauges(metrics, store)

    @property
    def traces(self) -> bool:
        """Whether spans are sent."""
        return self._sender is not None

    def take(self, step: TakeStep) -> None:
        """Count a step of a take."""
        if self._metrics is not None:
            self._metrics.take(step)

    def taken_over(self, provider: str) -> None:
        """Count a render that another process has taken over."""
        if self._metrics is not None:
            self._metrics.taken_over(provider)

    def joined(self, outcome: str, seconds: float) -> None:
        """Count an attempt to join clips."""
        if self._metrics is not None:
            self._metrics.joined(outcome, seconds)

    def delivered(self, outcome: str, seconds: float) -> None:
        """Count an attempt to deliver an event to a webhook."""
        if self._metrics is not None:
            self._metrics.delivered(outcome, seconds)

    def span(self, span: Span) -> None:
        """Send a span soon."""
        if self._sender is not None:
            self._sender.send(span)

    async def close(self) -> None:
        """Send the spans that are left."""
        if self._sender is not None:
            await asyncio.to_thread(self._sender.close)


def work_telemetry() -> WorkTelemetry:
    """Return the telemetry of this process, with an exporter of traces if the environment configures one."""
    if not exports_traces():
        return WorkTelemetry()
    sender = spans_otlp.SpanSender()
    trace.sample_by(sender.is_sampled)
    return WorkTelemetry(sender)
