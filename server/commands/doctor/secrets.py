"""Keeps secrets out of what is printed: errors of libraries may quote an address with its password."""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

import sqlalchemy as sa
from pydantic import SecretStr

from server.settings import Settings

HIDDEN = "***"
# Shorter values, such as "true", are found in ordinary text.
SHORTEST = 6
# Variables of buckets and of Postgres that hold secrets.
_NAMES = ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY", "ACCOUNT_KEY", "SAS_KEY")
# It is in every signed address.
_PUBLIC = "ACCESS_KEY_ID"
# Of any address, such as that of a proxy: after the user, or as a parameter, as drivers of Postgres read it.
_PASSWORD = re.compile(r"://[^\s/?#@:]*:([^\s/?#@]+)@|[?&]password=([^\s&#]+)")


class Redaction:
    """Replaces the secrets of the settings and of the environment."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        given = [getattr(settings, name) for name in type(settings).model_fields]
        secrets = {value.get_secret_value() for value in given if isinstance(value, SecretStr)}
        # Of a header such as "Authorization: Bearer x" the last word is the secret.
        secrets |= set(settings.comfyui_header.get_secret_value().split()[-1:])
        urls = [sa.make_url(url) for url in (settings.database_url, settings.database_direct_url) if url]
        secrets |= {str(url.password) for url in urls if url.password}
        secrets |= {value for name, value in environment.items() if _is_secret(name)}
        texts = [*(value for value in given if isinstance(value, str)), *environment.values()]
        secrets |= {password for text in texts for password in _passwords(text)}
        forms = secrets | {quote(secret, safe="") for secret in secrets}
        self._secrets = sorted((each for each in forms if len(each) >= SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _passwords(text: str) -> Iterator[str]:
    """Yield the passwords of an address, as they are written in it and as they are."""
    for pair in _PASSWORD.findall(text):
        for password in filter(None, pair):
            yield password
            yield unquote(password)


def _is_secret(name: str) -> bool:
    upper = name.upper()
    return any(word in upper for word in _NAMES) and not upper.endswith(_PUBLIC)
