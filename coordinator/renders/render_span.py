"""The span of a render: log lines, writes and calls of the provider belong to it."""

from collections.abc import Generator
from contextlib import contextmanager

from coordinator.renders.claim import Claim
from coordinator.telemetry import spans
from coordinator.telemetry.port import Attributes, Telemetry
from models.domain import trace
from providers.trace_headers import carrying


class RenderSpan:
    """The span of one claim; `error` is the code with which its take failed."""

    def __init__(self, telemetry: Telemetry, claim: Claim) -> None:
        self.error: str | None = None
        self._telemetry = telemetry
        self._claim = claim
        self._context = spans.render(claim.trace or trace.new(), claim.take_id, claim.run)

    @contextmanager
    def reported(self) -> Generator[None]:
        """Make it the span of the block, and report it at the end."""
        with (
            spans.measured(self._telemetry, spans.RENDER, self._context, self._attributes) as span,
            carrying(self._context.headers()),
        ):
            try:
                yield
            finally:
                span.error = self.error

    @property
    def _attributes(self) -> Attributes:
        claim = self._claim
        return {
            "scenewire.provider": claim.provider,
            "scenewire.job": claim.job_id,
            "scenewire.scene": claim.scene_id,
            "scenewire.take": claim.take_id,
            "scenewire.take_number": claim.take_number,
            "scenewire.run": claim.run,
        }
