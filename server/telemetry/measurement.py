"""What a process that exposes metrics does for them: it measures its event loop, and listens at their own port."""

from server.settings import Settings
from server.telemetry.endpoint import MetricsEndpoint, MetricsServer, listen_for_scrapes
from server.telemetry.loop_lag import LoopLag
from server.telemetry.registry import Metrics


class Measurement:
    """Runs beside the server of the API."""

    def __init__(self, metrics: Metrics, settings: Settings) -> None:
        """Listen at the port of metrics, if it is set. Raises WrongSettings when that is not possible."""
        self._lag = LoopLag()
        metrics.registry.register(self._lag)
        self._server: MetricsServer | None = None
        if settings.metrics_port:
            listener = listen_for_scrapes(settings.metrics_host, settings.metrics_port)
            endpoint = MetricsEndpoint(metrics, settings.metrics_token.get_secret_value())
            self._server = MetricsServer(endpoint, listener)

    async def start(self) -> None:
        """Measure and answer until `stop`."""
        self._lag.start()
        if self._server is not None:
            await self._server.start()

    async def stop(self) -> None:
        """Stop both."""
        self._lag.stop()
        if self._server is not None:
            await self._server.stop()
