"""Settings: read from environment variables with the prefix SCENEWIRE_, immutable, each with a working default."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from providers.clips.encoding import VideoCodec
from server.configuration.setting_checks import check_combinations
from server.configuration.setting_types import (
    DatabaseUrl,
    DirectUrl,
    HeaderNames,
    HttpsOrLoopbackUrl,
    Networks,
    Origins,
    Pixels,
    Profile,
    ProviderLimits,
    PublicUrl,
    RateLimits,
    Secret,
    Synchronous,
)
from server.providers import plugins
from server.providers.provider_settings import ProviderSettings
from server.telemetry.settings import TelemetrySettings
from server.transports.limits import DocumentLimits, TransportLimits

ROOT = Path(__file__).parent.parent
PREFIX = "SCENEWIRE_"
# 68 years: the type Int of the schema shows these spans.
LONGEST_SECONDS = 2**31 - 1
# A rate limit above what any machine answers in a minute.
NEVER_REACHED = 10**12
T = TypeVar("T")


def _spare_cores() -> int:
    """Return the number of usable CPU cores less one, which is left for the server itself; at least 1."""
    return max(1, len(os.sched_getaffinity(0)) - 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 2) - 1)


class Settings(ProviderSettings, TelemetrySettings):
    """The settings of one process; docs/settings.md lists their meaning and units."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", allow_inf_nan=False, frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=4000, ge=0, le=65535)
    public_url: PublicUrl = ""
    keep_alive_seconds: int = Field(default=75, ge=1, le=3600)
    database_url: DatabaseUrl = f"sqlite+aiosqlite:///{ROOT / 'var' / 'scenewire.db'}"
    database_direct_url: DirectUrl = ""
    sqlite_synchronous: Synchronous = "full"
    media_url: str = str(ROOT / "var" / "media")
    provider: str = "local"
    profile: Profile = Profile.DEVELOPMENT

    auth_secret: Secret = SecretStr("")
    auth_jwks_url: HttpsOrLoopbackUrl = ""
    auth_issuer: str = ""
    auth_audience: str = ""
    auth_client_id: str = Field(default="", max_length=200)
    auth_roles_claim: str = Field(default="roles", min_length=1, max_length=200)
    secret_key: Secret = SecretStr("")

    introspection: bool | None = None
    suggestions: bool | None = None
    explorer: bool | None = None
    storyboard: bool = True
    get_queries: bool | None = None
    persisted_queries: int = Field(default=1_000, ge=0, le=100_000)
    trusted_documents: str = ""
    trusted_documents_only: bool = False

    render_concurrency: int = Field(default_factory=_spare_cores, ge=1, le=256)
    provider_concurrency: ProviderLimits = Field(default_factory=dict[str, int])
    lease_seconds: float = Field(default=30.0, ge=1)
    render_deadline_seconds: float = Field(default=1800.0, gt=0)
    external_deadline_seconds: float = Field(default=24 * 3600.0, gt=0, le=LONGEST_SECONDS)
    adopt_outputs: bool = False
    adopt_max_bytes: int = Field(default=500_000_000, ge=1)
    retry_first_seconds: float = Field(default=2.0, ge=0)
    max_attempts: int = Field(default=3, ge=1, le=20)
    local_width: Pixels = 1280
    local_height: Pixels = 720
    video_codec: VideoCodec = VideoCodec.H264

    regenerates_an_hour: int = Field(default=60, ge=0, le=1_000_000)
    regenerate_burst: int = Field(default=10, ge=1, le=1_000_000)
    webhook_retry_first_seconds: float = Field(default=5.0, gt=0, le=3600)

    recovery_window_seconds: int = Field(default=7 * 24 * 3600, ge=0, le=LONGEST_SECONDS)
    event_retention_seconds: int = Field(default=7 * 24 * 3600, ge=0, le=LONGEST_SECONDS)
    event_retention_versions: int = Field(default=10_000, ge=1)
    audit_retention_seconds: int = Field(default=90 * 24 * 3600, ge=0)
    media_url_seconds: int = Field(default=300, ge=1)
    media_redirects: bool = True
    asset_max_bytes: int = Field(default=2 * 2**30, ge=1, le=2**40)
    uploads_per_owner: int = Field(default=20, ge=1, le=100_000)
    upload_seconds: int = Field(default=24 * 3600, ge=60, le=LONGEST_SECONDS)
    direct_uploads: bool = True
    allowed_origins: Origins = Field(default_factory=list[str])
    allowed_headers: HeaderNames = Field(default_factory=list[str])
    trusted_proxies: Networks = Field(default_factory=list[str])

    limit_depth: int = Field(default=8, ge=1, le=50)
    limit_aliases: int = Field(default=15, ge=0)
    limit_directives: int = Field(default=20, ge=0)
    limit_tokens: int = Field(default=1_000, ge=1, le=10_000)
    limit_characters: int = Field(default=15_000, ge=1, le=1_000_000)
    limit_root_fields: int = Field(default=5, ge=1)
    limit_mutations: int = Field(default=4, ge=1)
    limit_cost: int = Field(default=6_000, ge=1)
    limit_requests: int | None = Field(default=None, ge=1)
    limit_cost_a_minute: int | None = Field(default=None, ge=1)
    limit_connections: int | None = Field(default=None, ge=1)
    limit_failed_logins: int | None = Field(default=None, ge=1)
    limit_parallel_reads: int | None = Field(default=None, ge=1)
    limit_header_seconds: float = Field(default=10.0, gt=0)
    limit_body_seconds: float = Field(default=30.0, gt=0)
    limit_init_seconds: float = Field(default=5.0, gt=0)
    limit_pending_per_address: int = Field(default=500, ge=1)
    limit_pending: int = Field(default=2_000, ge=1)

    subscriber_events: int = Field(default=256, ge=1, le=100_000)
    shared_streams: bool = True
    compiled_execution: bool = True
    fragment_cache_bytes: int = Field(default=32 * 2**20, ge=0)
    request_cache_bytes: int = Field(default=32 * 2**20, ge=0)

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        check_combinations(self)
        return self

    @property
    def production(self) -> bool:
        """Whether others can reach the server, so that every request needs a token."""
        return self.profile is Profile.PRODUCTION

    @property
    def authenticates(self) -> bool:
        """Whether there is a key to verify tokens with."""
        return bool(self.auth_secret.get_secret_value() or self.auth_jwks_url)

    @property
    def allows_introspection(self) -> bool:
        """Whether introspection of the GraphQL schema is allowed."""
        return self._by_profile(self.introspection, production=False, development=True)

    @property
    def allows_suggestions(self) -> bool:
        """Whether GraphQL errors suggest similar names ("Did you mean ...")."""
        return self._by_profile(self.suggestions, production=False, development=True)

    @property
    def allows_explorer(self) -> bool:
        """Whether browsers are served the explorer and the REST documentation."""
        return self._by_profile(self.explorer, production=False, development=True)

    @property
    def allows_get_queries(self) -> bool:
        """Whether GraphQL queries may be sent by GET."""
        return self._by_profile(self.get_queries, production=False, development=True)

    @property
    def provider_names(self) -> list[str]:
        """The providers that a job can name."""
        scripted = [] if self.production else ["scripted"]
        replicate = ["replicate"] if self.replicates else []
        openrouter = ["openrouter"] if self.openrouter_token.get_secret_value() else []
        fal = ["fal"] if self.fal_token.get_secret_value() else []
        comfyui = ["comfyui"] if self.comfyui_url else []
        return ["local", *scripted, *replicate, *openrouter, *fal, *comfyui, *plugins.found(), "leased", "external"]

    @property
    def document_limits(self) -> DocumentLimits:
        """The limits of one GraphQL document."""
        return DocumentLimits(
            depth=self.limit_depth,
            aliases=self.limit_aliases,
            directives=self.limit_directives,
            tokens=self.limit_tokens,
            characters=self.limit_characters,
            root_fields=self.limit_root_fields,
            mutations=self.limit_mutations,
            cost=self.limit_cost,
        )

    @property
    def transport_limits(self) -> TransportLimits:
        """The limits of a request below its GraphQL document."""
        return TransportLimits(
            idle_seconds=self.keep_alive_seconds,
            header_seconds=self.limit_header_seconds,
            body_seconds=self.limit_body_seconds,
            init_seconds=self.limit_init_seconds,
            pending_per_address=self.limit_pending_per_address,
            pending_connections=self.limit_pending,
            kept_head_bytes=self.request_cache_bytes // 2,
            kept_query_bytes=self.request_cache_bytes // 2,
        )

    @property
    def rate_limits(self) -> RateLimits:
        """The rate limits of one caller; unless set, those of the profile, which in development are never reached."""
        return RateLimits(
            requests=self._by_profile(self.limit_requests, production=3_000, development=NEVER_REACHED),
            cost=self._by_profile(self.limit_cost_a_minute, production=300_000, development=NEVER_REACHED),
            connections=self._by_profile(self.limit_connections, production=50, development=10_000),
            failed_logins=self._by_profile(self.limit_failed_logins, production=30, development=300),
            parallel_reads=self._by_profile(self.limit_parallel_reads, production=1, development=1_000),
        )

    def _by_profile(self, value: T | None, *, production: T, development: T) -> T:
        if value is not None:
            return value
        return production if self.production else development

    @property
    def replicate_callbacks(self) -> str:
        """The https URL at which Replicate reaches the server, without a trailing slash; empty without one."""
        return self._reached_at(self.replicate_callback_url or self.address)

    @property
    def openrouter_callbacks(self) -> str:
        """The https URL at which OpenRouter reaches the server; empty without one, or without a secret to verify it."""
        secret = self.openrouter_webhook_secret.get_secret_value()
        return self._reached_at(self.openrouter_callback_url or self.address) if secret else ""

    def _reached_at(self, address: str) -> str:
        return address if address.startswith("https://") else ""

    @property
    def public_path(self) -> str:
        """The path of PUBLIC_URL, without a slash at its end; empty for a server at the root of its host."""
        return urlsplit(self.public_url).path

    @property
    def address(self) -> str:
        """The URL at which clients reach the server, without a trailing slash."""
        return self.public_url or self.listening_address

    @property
    def listening_address(self) -> str:
        """The URL at which this machine reaches the process itself, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{self.port}"  # noqa: S104 # compared, not bound


class WrongSettings(Exception):
    """A setting has an invalid value. The message is one line for the operator."""


@contextmanager
def as_wrong_setting(name: str) -> Generator[None]:
    """Raise any error of the block as WrongSettings of this variable."""
    try:
        yield
    except Exception as error:
        raise WrongSettings(f"{PREFIX}{name}: {str(error).splitlines()[0]}") from error


def load(**options: object) -> Settings:
    """Read the environment; `options` replace variables. Raises WrongSettings, whose one line names every invalid
    variable."""
    try:
        return Settings.model_validate(options) if options else Settings()
    except ValidationError as error:
        raise WrongSettings("; ".join(_line(problem["loc"], problem["msg"]) for problem in error.errors())) from error


def _line(location: tuple[int | str, ...], message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return f"{PREFIX}{str(location[0]).upper()}: {reason}" if location else f"{PREFIX}{reason}"
