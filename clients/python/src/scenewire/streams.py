"""A subscription that is resumed on a new connection until it ends."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from scenewire.address import Address
from scenewire.errors import Json, RateLimited, ServerError, TokenRefused, Unavailable
from scenewire.tokens import Tokens
from scenewire.websocket import Connection, ConnectionLost, TokenRejected, connected

FIRST_BACKOFF_SECONDS = 0.1
# Reconnect within a second of the server's return. After a minute of attempts, less often.
BACKOFF_SECONDS, LONG_BACKOFF_SECONDS = 0.6, 5.0
LONG_AFTER_ATTEMPTS = 130

T = TypeVar("T")
_rng = random.SystemRandom()


class ConnectionState(StrEnum):
    """What a stream does. In RECONNECTING what is shown may be old: "catching up"."""

    CONNECTING = "connecting"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


OnState = Callable[[ConnectionState], None]


def ignore_state(_state: ConnectionState) -> None:
    """Do nothing with a state."""


class Subscription(NamedTuple):
    """A document, and its variables at each subscribe."""

    document: str
    variables: Callable[[], Mapping[str, Any]]


class Connected:
    """Yielded by a stream for each connection, before its first message."""


CONNECTED = Connected()


class Streams:
    """The streams of one client. Each has a connection of its own: a slow reader delays no other stream."""

    def __init__(self, address: Address, tokens: Tokens) -> None:
        self._address = address
        self._tokens = tokens
        self._closed = asyncio.Event()
        self._open: set[Connection] = set()

    async def close(self) -> None:
        """End every stream."""
        self._closed.set()
        await asyncio.gather(*(connection.close() for connection in self._open))

    async def follow(
        self, subscription: Subscription, accept: Callable[[Json], T], on_state: OnState
    ) -> AsyncGenerator[T | Connected]:
        """Yield CONNECTED for each connection, and `accept` of each result, until the server completes the stream.

        Connects again with jittered backoff after a lost connection, a server error, a rate limit (after the time that
        the server names), and with a new token after a refused one. `accept` raises ConnectionLost for a result that
        does not follow the last one. Raises Refused and TokenRefused.
        """
        attempts = _Attempts()
        on_state(ConnectionState.CONNECTING)
        try:
            while not self._closed.is_set():
                try:
                    async with aclosing(self._connection(subscription, accept, on_state, attempts)) as results:
                        async for result in results:
                            yield result
                    return
                except (ConnectionLost, RateLimited) as error:
                    wait = max(attempts.backoff(), error.retry_after_seconds)
                except (Unavailable, ServerError):
                    wait = attempts.backoff()
                on_state(ConnectionState.RECONNECTING)
                await self._pause(wait)
        finally:
            on_state(ConnectionState.CLOSED)

    async def _connection(
        self, subscription: Subscription, accept: Callable[[Json], T], on_state: OnState, attempts: "_Attempts"
    ) -> AsyncGenerator[T | Connected]:
        """Yield what one connection receives; after a refused token, raise ConnectionLost once it is replaced."""
        token = await self._tokens.current()
        try:
            async with connected(self._address, token) as connection, self._closing(connection):
                await connection.subscribe(subscription.document, subscription.variables())
                attempts.token_accepted()
                on_state(ConnectionState.LIVE)
                yield CONNECTED
                async with aclosing(connection.results()) as results:
                    async for result in results:
                        attempts.received()
                        yield accept(result)
        except (TokenRejected, TokenRefused) as refused:
            attempts.token_refused(str(refused))
            await self._tokens.replace(token, str(refused))
            raise ConnectionLost("the token was replaced") from refused

    @asynccontextmanager
    async def _closing(self, connection: Connection) -> AsyncGenerator[None]:
        """Have `close` close the connection. Raises ConnectionLost when it was called before."""
        if self._closed.is_set():
            raise ConnectionLost("the client is closed")
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)

    async def _pause(self, seconds: float) -> None:
        """Wait, or until the client is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()


class _Attempts:
    """The attempts to connect since the last message."""

    def __init__(self) -> None:
        self._failed = 0
        self._token_refused = False

    def received(self) -> None:
        self._failed = 0

    def token_accepted(self) -> None:
        self._token_refused = False

    def token_refused(self, reason: str) -> None:
        """Raise TokenRefused when the token before was refused as well."""
        if self._token_refused:
            raise TokenRefused(reason)
        self._token_refused = True

    def backoff(self) -> float:
        """Return the seconds to wait before the next attempt, with jitter."""
        longest = BACKOFF_SECONDS if self._failed < LONG_AFTER_ATTEMPTS else LONG_BACKOFF_SECONDS
        seconds = min(longest, FIRST_BACKOFF_SECONDS * 2 ** min(self._failed, 10))
        self._failed += 1
        return _rng.uniform(0.5, 1.0) * seconds
