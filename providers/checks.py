"""Checks of providers by calls that cost nothing, for an operator: does the service answer, and accept the token?"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, runtime_checkable

from providers.cancellation import raise_if_cancelled
from providers.hosted.retrying import NoResponse
from providers.port import Failure

T = TypeVar("T")


@runtime_checkable
class Checkable(Protocol):
    """A provider with a check. It is optional: a provider works without one."""

    async def check(self) -> str:
        """Return what was found in a few words, such as the name of the account. Nothing is bought.

        Raises Failure when orders would fail.
        """
        ...


async def answered(service: str, call: Callable[[], Awaitable[T]]) -> T:
    """Return the answer of one call to a service. Raises Failure, also when there is none."""
    try:
        return await call()
    except NoResponse as error:
        raise_if_cancelled(error)
        raise Failure("PROVIDER_UNAVAILABLE", f"{service} does not respond: {error}.", retryable=True) from error
