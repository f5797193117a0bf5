"""Settings, from environment variables with the prefix SCENEWIRE_. Every one has a working default."""

import json
import os
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self, TypeVar
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.exc import ArgumentError

from providers.replicate.template import Template
from providers.replicate.webhooks import SigningSecret
from server import plugins
from server.rates import RateLimits
from server.transports.document_limiter import DocumentLimits
from server.transports.limits import TransportLimits

ROOT = Path(__file__).parent.parent
VERSION = "0.1.0"
PREFIX = "SCENEWIRE_"
SECRET_BYTES = 32
T = TypeVar("T")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Profile(StrEnum):
    """Who can reach the server."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def _spare_cores() -> int:
    """As many renders as there are cores, but one left for the server itself."""
    return max(1, len(os.sched_getaffinity(0)) - 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 2) - 1)


class Settings(BaseSettings):
    """What can be set; names and units as in the README."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", allow_inf_nan=False)

    host: str = "127.0.0.1"
    port: int = Field(default=4000, ge=0, le=65535)
    public_url: str = ""
    database_url: str = f"sqlite+aiosqlite:///{ROOT / 'var' / 'scenewire.db'}"
    media_url: str = str(ROOT / "var" / "media")
    provider: str = "local"
    profile: Profile = Profile.DEVELOPMENT
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    auth_secret: SecretStr = SecretStr("")
    auth_jwks_url: str = ""
    auth_issuer: str = ""
    auth_audience: str = ""
    secret_key: SecretStr = SecretStr("")

    introspection: bool | None = None
    suggestions: bool | None = None
    explorer: bool | None = None
    get_queries: bool | None = None

    render_concurrency: int = Field(default_factory=_spare_cores, ge=1, le=256)
    provider_concurrency: Annotated[dict[str, Annotated[int, Field(ge=0)]], NoDecode] = Field(
        default_factory=dict[str, int]
    )
    lease_seconds: float = Field(default=30.0, ge=1)
    render_deadline_seconds: float = Field(default=1800.0, gt=0)
    retry_first_seconds: float = Field(default=2.0, ge=0)
    max_attempts: int = Field(default=3, ge=1, le=20)
    local_width: int = Field(default=1280, ge=64, le=3840, multiple_of=2)
    local_height: int = Field(default=720, ge=64, le=2160, multiple_of=2)

    replicate_token: SecretStr = SecretStr("")
    replicate_version: str = ""
    replicate_input: str = '{"prompt": "{prompt}", "duration": "{duration_seconds}"}'
    replicate_callback_url: str = ""
    replicate_webhook_secret: SecretStr = SecretStr("")
    replicate_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    replicate_max_bytes: int = Field(default=500_000_000, ge=1)
    replicate_api_url: str = "https://api.replicate.com/v1"

    regenerates_an_hour: int = Field(default=60, ge=0, le=1_000_000)
    regenerate_burst: int = Field(default=10, ge=1, le=1_000_000)
    webhook_retry_first_seconds: float = Field(default=5.0, gt=0, le=3600)

    recovery_window_seconds: int = Field(default=7 * 24 * 3600, ge=0)
    event_retention_seconds: int = Field(default=7 * 24 * 3600, ge=0)
    event_retention_versions: int = Field(default=10_000, ge=1)
    audit_retention_seconds: int = Field(default=90 * 24 * 3600, ge=0)
    media_url_seconds: int = Field(default=300, ge=1)
    allowed_origins: Annotated[list[str], NoDecode] = Field(default_factory=list[str])
    trusted_proxies: Annotated[list[str], NoDecode] = Field(default_factory=list[str])

    limit_depth: int = Field(default=8, ge=1, le=50)
    limit_aliases: int = Field(default=15, ge=0)
    limit_directives: int = Field(default=20, ge=0)
    limit_tokens: int = Field(default=1_000, ge=1, le=10_000)
    limit_characters: int = Field(default=15_000, ge=1, le=1_000_000)
    limit_root_fields: int = Field(default=5, ge=1)
    limit_mutations: int = Field(default=4, ge=1)
    limit_cost: int = Field(default=1_000, ge=1)
    limit_requests: int | None = Field(default=None, ge=1)
    limit_cost_a_minute: int | None = Field(default=None, ge=1)
    limit_connections: int | None = Field(default=None, ge=1)
    limit_failed_logins: int | None = Field(default=None, ge=1)
    limit_parallel_reads: int | None = Field(default=None, ge=1)
    limit_header_seconds: float = Field(default=10.0, gt=0)
    limit_body_seconds: float = Field(default=30.0, gt=0)

    subscriber_events: int = Field(default=256, ge=1, le=100_000)

    @field_validator("provider_concurrency", mode="before")
    @classmethod
    def _decoded(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError('is not JSON such as {"local": 2}') from error

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _exact_origins(cls, values: list[str]) -> list[str]:
        for value in values:
            url = urlsplit(value)
            if url.scheme not in ("http", "https") or not url.hostname or value != f"{url.scheme}://{url.netloc}":
                raise ValueError(f"{value!r} is not an origin such as https://app.example.com")
        return values

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, values: list[str]) -> list[str]:
        for value in values:
            try:
                ip_network(value)
            except ValueError as error:
                raise ValueError(f"{value!r} is not an address or network such as 10.0.0.0/8") from error
        return values

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            url = sa.make_url(value)
        except ArgumentError as error:
            raise ValueError("is not a database address such as sqlite+aiosqlite:///var/scenewire.db") from error
        if url.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
            raise ValueError("must begin with sqlite+aiosqlite:// or postgresql+asyncpg://")
        if url.drivername.startswith("sqlite") and url.database in (None, "", ":memory:"):
            raise ValueError("must name a file: the connections of a process share nothing in memory")
        return value

    @field_validator("replicate_input")
    @classmethod
    def _known_input(cls, value: str) -> str:
        Template(value)
        return value

    @field_validator("auth_secret", "secret_key")
    @classmethod
    def _strong(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"must have at least {SECRET_BYTES} bytes, such as what `openssl rand -hex 32` prints")
        return value

    @field_validator("replicate_webhook_secret")
    @classmethod
    def _known_secret(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            SigningSecret(value.get_secret_value())
        return value

    @field_validator("replicate_callback_url", "replicate_api_url", "auth_jwks_url")
    @classmethod
    def _encrypted(cls, value: str, field: ValidationInfo) -> str:
        url = urlsplit(value)
        # The token goes in clear only to this machine, and keys come in clear only from it; Replicate itself calls
        # nobody without encryption.
        local = field.field_name != "replicate_callback_url" and url.hostname in LOOPBACK
        if value and not local and (url.scheme != "https" or not url.hostname):
            raise ValueError("must begin with https:// and name a host")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.profile is Profile.PRODUCTION and self.provider == "scripted":
            raise ValueError("PROVIDER scripted is for tests and demos, not for production")
        self._check_keys()
        try:
            plugins.found()
        except plugins.Unusable as unusable:
            raise ValueError(f"PROVIDER: {unusable}") from unusable
        if self.provider not in self.provider_names:
            raise ValueError(f"PROVIDER must be one of {', '.join(self.provider_names)}")
        if self.replicates and not self.replicate_version:
            raise ValueError("REPLICATE_TOKEN is set, so REPLICATE_VERSION must name the model version to run")
        if self.replicates and not self.replicate_callbacks and not Template(self.replicate_input).seeded:
            raise ValueError(
                "REPLICATE_TOKEN is set, so REPLICATE_INPUT needs a {seed}, or PUBLIC_URL or REPLICATE_CALLBACK_URL "
                "must begin with https://: by one of them a clip that was paid for is found again after a crash"
            )
        return self

    def _check_keys(self) -> None:
        if self.auth_jwks_url and not (self.auth_issuer and self.auth_audience):
            raise ValueError("AUTH_JWKS_URL is set, so AUTH_ISSUER and AUTH_AUDIENCE must say which tokens are for us")
        if self.profile is not Profile.PRODUCTION:
            return
        if not self.authenticates:
            raise ValueError(
                f"AUTH_SECRET ({SECRET_BYTES} bytes or more) or AUTH_JWKS_URL must be set in production: it says whose "
                "tokens are believed"
            )
        if not (self.auth_secret.get_secret_value() or self.secret_key.get_secret_value()):
            raise ValueError(
                f"SECRET_KEY ({SECRET_BYTES} bytes or more, the same for all processes) must be set in production "
                "where AUTH_SECRET is not"
            )

    @property
    def production(self) -> bool:
        """Whether strangers can reach the server, so that everybody is asked who they are."""
        return self.profile is Profile.PRODUCTION

    @property
    def authenticates(self) -> bool:
        """Whether there are keys to check tokens with."""
        return bool(self.auth_secret.get_secret_value() or self.auth_jwks_url)

    @property
    def allows_introspection(self) -> bool:
        """Whether the schema tells of itself."""
        return self._by_profile(self.introspection, production=False, development=True)

    @property
    def allows_suggestions(self) -> bool:
        """Whether messages suggest names that would be right."""
        return self._by_profile(self.suggestions, production=False, development=True)

    @property
    def allows_explorer(self) -> bool:
        """Whether browsers get the explorer page, and the page that describes REST."""
        return self._by_profile(self.explorer, production=False, development=True)

    @property
    def allows_get_queries(self) -> bool:
        """Whether queries can be sent by GET."""
        return self._by_profile(self.get_queries, production=False, development=True)

    @property
    def provider_names(self) -> list[str]:
        """What jobs can choose from."""
        scripted = [] if self.profile is Profile.PRODUCTION else ["scripted"]
        replicate = ["replicate"] if self.replicates else []
        return ["local", *scripted, *replicate, *plugins.found(), "external"]

    @property
    def document_limits(self) -> DocumentLimits:
        """The most that one GraphQL document may ask for."""
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
        """How long a request may take to arrive, and whatever else is counted below the documents."""
        return TransportLimits(header_seconds=self.limit_header_seconds, body_seconds=self.limit_body_seconds)

    @property
    def rate_limits(self) -> RateLimits:
        """The most that one caller may ask for, by the profile unless set: nobody hurries a developer."""
        return RateLimits(
            requests=self._by_profile(self.limit_requests, production=3_000, development=1_000_000),
            cost=self._by_profile(self.limit_cost_a_minute, production=300_000, development=100_000_000),
            connections=self._by_profile(self.limit_connections, production=50, development=10_000),
            failed_logins=self._by_profile(self.limit_failed_logins, production=30, development=300),
            parallel_reads=self._by_profile(self.limit_parallel_reads, production=1, development=1_000),
        )

    def _by_profile(self, value: T | None, *, production: T, development: T) -> T:
        if value is not None:
            return value
        return production if self.profile is Profile.PRODUCTION else development

    @property
    def replicates(self) -> bool:
        """Whether clips can be bought from Replicate."""
        return bool(self.replicate_token.get_secret_value())

    @property
    def replicate_callbacks(self) -> str:
        """Where Replicate reaches the server, https without a slash at the end; empty when it cannot."""
        address = self.replicate_callback_url or self.address
        return address if address.startswith("https://") else ""

    @property
    def address(self) -> str:
        """Where clients reach the server, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{self.port}"  # noqa: S104 # compared, not bound


class WrongSettings(Exception):
    """A setting cannot be used; the message is one line for the operator."""


def load() -> Settings:
    """Read the environment. Raises WrongSettings with one line that names every wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise WrongSettings("; ".join(_line(problem["loc"], problem["msg"]) for problem in error.errors())) from error


def _line(place: tuple[int | str, ...], message: str) -> str:
    said = message.removeprefix("Value error, ")
    return f"{PREFIX}{str(place[0]).upper()}: {said}" if place else f"{PREFIX}{said}"
