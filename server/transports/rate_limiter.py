"""The port through which the transports ask the application for rate limits and quotas."""

import math
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from graphql import GraphQLError
from starlette.requests import HTTPConnection

from server.transports.errors import TransportCode


class TooManyRequests(GraphQLError):
    """The caller exceeded a rate limit; the same request is accepted after `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        retry = round(max(retry_after_seconds, 0.0), 3)
        super().__init__(message, extensions={"code": TransportCode.RATE_LIMITED, "retryAfterSeconds": retry})
        self.retry_after_seconds = retry

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After in whole seconds (RFC 9110, 10.2.3)."""
        return {"retry-after": str(max(1, math.ceil(self.retry_after_seconds)))}


class RateLimiter(Protocol):
    """The limits of the caller behind a connection. Methods but `caller` and `read_slot` raise TooManyRequests."""

    def caller(self, connection: HTTPConnection) -> str:
        """Return the key by which the connection is counted: that of its user or of its address."""
        ...

    def request(self, connection: HTTPConnection) -> str:
        """Count one operation, well-formed or not; return its `caller`."""
        ...

    def spend(self, connection: HTTPConnection, cost: int) -> None:
        """Spend the cost of an operation whose document is within the limits."""
        ...

    def spend_for(self, caller: str, cost: int) -> None:
        """Spend the cost of messages, for the `caller` of a connection."""
        ...

    def read_slot(self, connection: HTTPConnection, cost: int) -> AbstractAsyncContextManager[None]:
        """Wait for a slot, then hold it for a read of this cost inside the block."""
        ...

    def connection_slot(self, connection: HTTPConnection) -> AbstractContextManager[None]:
        """Count a websocket or an event stream as open inside the block."""
        ...


class NoRateLimits:
    """A RateLimiter that accepts everything."""

    def caller(self, connection: HTTPConnection) -> str:
        return ""

    def request(self, connection: HTTPConnection) -> str:
        return ""

    def spend(self, connection: HTTPConnection, cost: int) -> None: ...

    def spend_for(self, caller: str, cost: int) -> None: ...

    def read_slot(self, connection: HTTPConnection, cost: int) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    @contextmanager
    def connection_slot(self, connection: HTTPConnection) -> Generator[None]:
        yield
