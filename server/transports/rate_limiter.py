"""Who may go on, and who has asked for enough: the transports' questions to the application."""

import math
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from graphql import GraphQLError
from starlette.requests import HTTPConnection

from server.transports.errors import TransportCode


class TooManyRequests(GraphQLError):
    """Too much in too short a time; the same again is welcome after `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        retry = round(max(retry_after_seconds, 0.0), 3)
        super().__init__(message, extensions={"code": TransportCode.RATE_LIMITED, "retryAfterSeconds": retry})
        self.retry_after_seconds = retry

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110, 10.2.3: whole seconds."""
        return {"retry-after": str(max(1, math.ceil(self.retry_after_seconds)))}


class RateLimiter(Protocol):
    """Each raises TooManyRequests."""

    def request(self, connection: HTTPConnection) -> None:
        """One more operation is asked for, well-formed or not."""
        ...

    def spend(self, connection: HTTPConnection, cost: int) -> None:
        """It may be executed as far as its document is concerned, and costs so much."""
        ...

    def read_slot(self, connection: HTTPConnection, cost: int) -> AbstractAsyncContextManager[None]:
        """Something of this cost is read within the block, which begins when it is the caller's turn."""
        ...

    def holding(self, connection: HTTPConnection) -> AbstractContextManager[None]:
        """A socket or a stream stays open for as long as the block."""
        ...


class OpenGate:
    """Everybody may do everything."""

    def request(self, connection: HTTPConnection) -> None: ...

    def spend(self, connection: HTTPConnection, cost: int) -> None: ...

    def read_slot(self, connection: HTTPConnection, cost: int) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    @contextmanager
    def holding(self, connection: HTTPConnection) -> Generator[None]:
        yield
