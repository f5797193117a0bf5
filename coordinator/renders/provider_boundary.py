"""The boundary to providers: builds their orders, and turns unexpected errors of a provider into a Failure."""

import logging
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from coordinator.renders.claims import Claim
from providers.port import Failure, Order, Progress, Provider, Rendered

log = logging.getLogger(__name__)

_UNEXPECTED = "The provider failed unexpectedly."


def order_for(claim: Claim, workdir: Path) -> Order:
    """Return the order of a claimed take."""
    return Order(
        key=claim.take_id,
        number=claim.take_number,
        prompt=claim.prompt,
        title=claim.title,
        duration_seconds=claim.duration_seconds,
        metadata=claim.metadata,
        workdir=workdir,
    )


@asynccontextmanager
async def following(
    provider: Provider, order: Order, provider_id: str
) -> AsyncGenerator[AsyncGenerator[Progress | Rendered]]:
    """Return the steps that the provider yields, and close them at the end of the block.

    An error in closing is only logged: the clip or failure that the provider has already returned stands.
    """
    with defects_as_failures(retryable=False):
        steps = provider.follow(order, provider_id)
    try:
        yield steps
    finally:
        try:
            # A local provider stops its child process here.
            await steps.aclose()
        except Exception as error:
            _log_defect(_UNEXPECTED, error)


@contextmanager
def defects_as_failures(*, retryable: bool) -> Generator[None]:
    """Turn any exception but Failure into a Failure, logged with an id and shown to the user without details.

    Retryable only before the provider has accepted the order: afterwards another attempt may have to be paid again,
    which only the provider can rule out.
    """
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        raise defect("PROVIDER_ERROR", _UNEXPECTED, error, retryable=retryable) from error


def defect(code: str, message: str, error: Exception, *, retryable: bool) -> Failure:
    """Log an unexpected error and return the Failure for the user; both have the same id."""
    return Failure(code, f"{message} ({_log_defect(message, error)})", retryable=retryable)


def _log_defect(message: str, error: Exception) -> str:
    error_id = uuid.uuid4().hex[:12]
    log.error("%s (%s)", message, error_id, exc_info=error, extra={"action": "render.defect", "id": error_id})
    return error_id
