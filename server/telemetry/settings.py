"""Settings of log lines and metrics; part of `server.settings.Settings`."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from server.configuration.setting_types import Secret
from server.telemetry.levels import LogLevels


class TelemetrySettings(BaseSettings):
    """What an operator sees of a process."""

    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    log_levels: LogLevels = Field(default_factory=dict[str, str])
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    metrics_token: Secret = SecretStr("")

    @property
    def exposes_metrics(self) -> bool:
        """Whether the process collects metrics, and shows them somewhere."""
        return bool(self.metrics_port or self.metrics_token.get_secret_value())

    @property
    def shows_metrics_beside_the_api(self) -> bool:
        """Whether `/metrics` is a path at the port of the API: with a token, and without a port of its own."""
        return not self.metrics_port and self.exposes_metrics
