"""Settings, from environment variables with the prefix SCENEWIRE_. Every one has a working default."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import sqlalchemy as sa
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.exc import ArgumentError

ROOT = Path(__file__).parent.parent
VERSION = "0.1.0"
PREFIX = "SCENEWIRE_"


class Profile(StrEnum):
    """Who can reach the server."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def _spare_cores() -> int:
    """As many renders as there are cores, but one left for the server itself."""
    return max(1, len(os.sched_getaffinity(0)) - 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 2) - 1)


class Settings(BaseSettings):
    """What can be set; names and units as in the README."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=4000, ge=0, le=65535)
    public_url: str = ""
    database_url: str = f"sqlite+aiosqlite:///{ROOT / 'var' / 'scenewire.db'}"
    media_url: str = str(ROOT / "var" / "media")
    provider: str = "local"
    profile: Profile = Profile.DEVELOPMENT
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    render_concurrency: int = Field(default_factory=_spare_cores, ge=1, le=256)
    provider_concurrency: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict[str, int])
    lease_seconds: float = Field(default=30.0, ge=1)
    render_deadline_seconds: float = Field(default=1800.0, gt=0)
    retry_first_seconds: float = Field(default=2.0, ge=0)
    max_attempts: int = Field(default=3, ge=1, le=20)
    local_width: int = Field(default=1280, ge=64, le=3840, multiple_of=2)
    local_height: int = Field(default=720, ge=64, le=2160, multiple_of=2)

    recovery_window_seconds: int = Field(default=7 * 24 * 3600, ge=0)
    event_retention_seconds: int = Field(default=7 * 24 * 3600, ge=0)
    event_retention_versions: int = Field(default=10_000, ge=1)
    subscriber_events: int = Field(default=256, ge=1, le=100_000)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            url = sa.make_url(value)
        except ArgumentError as error:
            raise ValueError("is not a database address such as sqlite+aiosqlite:///var/scenewire.db") from error
        if url.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
            raise ValueError("must begin with sqlite+aiosqlite:// or postgresql+asyncpg://")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.profile is Profile.PRODUCTION and self.provider == "scripted":
            raise ValueError("PROVIDER scripted is for tests and demos, not for production")
        if self.provider not in self.provider_names:
            raise ValueError(f"PROVIDER must be one of {', '.join(self.provider_names)}")
        return self

    @property
    def provider_names(self) -> list[str]:
        """What jobs can choose from."""
        return ["local", "external"] if self.profile is Profile.PRODUCTION else ["local", "scripted", "external"]

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
