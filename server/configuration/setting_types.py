"""Types of settings beyond pydantic's own: how their text is parsed, and which values are valid."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import NoDecode
from sqlalchemy.exc import ArgumentError

from models.lazy_import import lazily
from providers.replicate.webhooks import SigningSecret

if TYPE_CHECKING:
    from providers.replicate import template
else:
    template = lazily("providers.replicate.template")

SECRET_BYTES = 32
# The sizes of a clip, in pixels, which most video encodings need even.
MIN_PIXELS = 64
MAX_PIXELS = {"local_width": 3840, "local_height": 2160}
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens; "*" allows all, as in Access-Control-Allow-Headers.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# Of a hosted provider: an owner, names below it, and for Replicate a version.
_MODEL_NAME = re.compile(r"[\w.-]{1,100}(?:/[\w.-]{1,100}){1,5}(?::[\w.-]{1,100})?", re.ASCII)
_PUBLIC_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """`requests` and `cost` per user and minute; `connections` open at once per user; `failed_logins` per address and
    minute."""

    requests: int
    cost: int
    connections: int
    failed_logins: int
    parallel_reads: int
    """Concurrent reads of lists per user; further reads wait for a slot."""


class Profile(StrEnum):
    """Where the server runs: on a developer's machine, or reachable by others."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def _parse_json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError('is not JSON such as {"local": 2}') from error


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _check_origins(values: list[str]) -> list[str]:
    for value in values:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname or value != f"{url.scheme}://{url.netloc}":
            raise ValueError(f"{value!r} is not an origin such as https://app.example.com")
    return values


def _check_header_names(values: list[str]) -> list[str]:
    for value in values:
        if not _TOKEN.fullmatch(value):
            raise ValueError(f"{value!r} is not the name of a header such as X-Tenant")
    return values


def _check_networks(values: list[str]) -> list[str]:
    for value in values:
        try:
            ip_network(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is not an address or network such as 10.0.0.0/8") from error
    return values


def _check_database_url(value: str) -> str:
    try:
        url = sa.make_url(value)
    except ArgumentError as error:
        raise ValueError("is not a database URL such as sqlite+aiosqlite:///var/scenewire.db") from error
    if url.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        raise ValueError("must begin with sqlite+aiosqlite:// or postgresql+asyncpg://")
    if url.drivername.startswith("sqlite") and url.database in (None, "", ":memory:"):
        raise ValueError("must name a file, because an in-memory database is not shared between connections")
    return value


def _check_direct_url(value: str) -> str:
    if value and not _check_database_url(value).startswith("postgresql"):
        raise ValueError("must begin with postgresql+asyncpg://")
    return value


def _check_template(value: str) -> str:
    if value:
        template.Template(value)
    return value


def _check_model_names(values: list[str]) -> list[str]:
    for value in values:
        if not _MODEL_NAME.fullmatch(value):
            raise ValueError(f"{value!r} is not the name of a model such as owner/name")
    return values


def _check_secret(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and len(value.get_secret_value().encode()) < SECRET_BYTES:
        raise ValueError(f"must have at least {SECRET_BYTES} bytes, for example the output of `openssl rand -hex 32`")
    return value


def _check_signing_secret(value: SecretStr) -> SecretStr:
    if value.get_secret_value():
        SigningSecret(value.get_secret_value())
    return value


def _check_https(value: str) -> str:
    url = urlsplit(value)
    if value and (url.scheme != "https" or not url.hostname):
        raise ValueError("must begin with https:// and name a host")
    return value.rstrip("/")


def _check_public_url(value: str) -> str:
    base = value.rstrip("/")
    url = urlsplit(base)
    plain = url.hostname and base == f"{url.scheme}://{url.netloc}{url.path}"
    if base and (url.scheme not in ("http", "https") or not plain):
        raise ValueError("must be a URL such as https://example.com or https://example.com/scenes")
    if "@" in url.netloc or not _PUBLIC_PATH.fullmatch(url.path):
        raise ValueError("must have no user, and a path of letters, digits, -, ., _ and ~")
    if url.path.endswith("/graphql"):
        raise ValueError("is the base of all addresses: it must not end in /graphql")
    return base


def _check_https_or_loopback(value: str) -> str:
    # Keys and tokens may be sent without encryption only within this machine.
    return value.rstrip("/") if urlsplit(value).hostname in LOOPBACK else _check_https(value)


def _check_http(value: str) -> str:
    url = urlsplit(value)
    if value and (url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc or url.query):
        raise ValueError("must be a URL such as http://127.0.0.1:8188")
    return value.rstrip("/")


def _check_header_line(value: SecretStr) -> SecretStr:
    name, colon, content = value.get_secret_value().partition(":")
    if value.get_secret_value() and not (colon and _TOKEN.fullmatch(name) and content.strip().isprintable()):
        raise ValueError("must be a header such as Authorization: Bearer …")
    return value


def _check_pixels(value: int, info: ValidationInfo) -> int:
    most = MAX_PIXELS[info.field_name or ""]
    if not MIN_PIXELS <= value <= most or value % 2:
        raise ValueError(f"must be an even number from {MIN_PIXELS} to {most}")
    return value


DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
DirectUrl = Annotated[str, AfterValidator(_check_direct_url)]
HeaderNames = Annotated[list[str], NoDecode, BeforeValidator(_split_commas), AfterValidator(_check_header_names)]
PublicUrl = Annotated[str, AfterValidator(_check_public_url)]
HeaderLine = Annotated[SecretStr, AfterValidator(_check_header_line)]
HttpUrl = Annotated[str, AfterValidator(_check_http)]
HttpsUrl = Annotated[str, AfterValidator(_check_https)]
HttpsOrLoopbackUrl = Annotated[str, AfterValidator(_check_https_or_loopback)]
ModelNames = Annotated[list[str], NoDecode, BeforeValidator(_split_commas), AfterValidator(_check_model_names)]
Networks = Annotated[list[str], NoDecode, BeforeValidator(_split_commas), AfterValidator(_check_networks)]
Origins = Annotated[list[str], NoDecode, BeforeValidator(_split_commas), AfterValidator(_check_origins)]
Pixels = Annotated[int, AfterValidator(_check_pixels)]
ReplicateInput = Annotated[str, AfterValidator(_check_template)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_check_signing_secret)]
# The limit by name of provider; 0 is no limit.
ProviderLimits = Annotated[dict[str, Annotated[int, Field(ge=0)]], NoDecode, BeforeValidator(_parse_json)]
# Whether a commit on SQLite waits for the disk (https://www.sqlite.org/pragma.html#pragma_synchronous).
Synchronous = Literal["full", "normal"]
