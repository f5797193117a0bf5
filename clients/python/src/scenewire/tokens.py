"""The token of the requests: a text, or a callback that is called before the token expires and when it is refused."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from scenewire.errors import TokenRefused

TokenSource = str | Callable[[], str | Awaitable[str]]

EARLY_SECONDS = 30.0
"""A token that expires sooner is renewed before it is used."""


class Tokens:
    """The current token of a client. Without a source there is none."""

    def __init__(self, source: TokenSource | None) -> None:
        self._source = source
        self._current = source if isinstance(source, str) else None
        self._asking = asyncio.Lock()

    async def current(self) -> str | None:
        """Return the token to send; one that is about to expire is renewed."""
        if self._source is None or isinstance(self._source, str):
            return self._current
        async with self._asking:
            if self._current is None or _expires_soon(self._current):
                self._current = await self._ask(self._source)
            return self._current

    async def replace(self, refused: str | None, reason: str) -> None:
        """Replace a token that the server refused. Raises TokenRefused when there is no other."""
        if self._source is None or isinstance(self._source, str):
            raise TokenRefused(reason)
        async with self._asking:
            if self._current != refused:
                return
            self._current = await self._ask(self._source)
            if self._current == refused:
                raise TokenRefused(reason)

    async def _ask(self, source: Callable[[], str | Awaitable[str]]) -> str:
        answer = source()
        return await answer if isawaitable(answer) else answer


def _expires_soon(token: str) -> bool:
    """Return whether `exp` of a JWT (RFC 7519, 4.1.4) is near or past; False for a token that is none."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"]) < time.time() + EARLY_SECONDS
    except (IndexError, KeyError, TypeError, ValueError):
        return False
