"""The boundary to providers: builds their orders, and turns unexpected errors of a provider into a Failure."""

import logging
import uuid
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from coordinator.renders.claim import Claim
from coordinator.renders.made import as_settings
from models.domain import trace
from providers.port import Failure, InputFile, Order, OrderLease, Progress, Provider, Rendered

log = logging.getLogger(__name__)

_UNEXPECTED = "The provider failed unexpectedly."


def order_for(claim: Claim, workdir: Path, inputs: Sequence[InputFile] = ()) -> Order:
    """Return the order of a claimed take, which is made from these inputs; it belongs to the current trace."""
    context = trace.current()
    return Order(
        key=claim.take_id,
        number=claim.take_number,
        prompt=claim.prompt,
        title=claim.title,
        duration_seconds=claim.duration_seconds,
        metadata=claim.metadata,
        workdir=workdir,
        fresh=claim.fresh,
        started_at=claim.started_at,
        unsettled=claim.unsettled,
        settings=as_settings(claim.settings),
        inputs=tuple(inputs),
        lease=OrderLease(claim.run),
        traceparent=None if context is None else context.header(),
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
    """Log an unexpected error and return the Failure for the user; both have the same id.

    One that is not retryable is unsettled: the clip may exist.
    """
    return Failure(code, f"{message} ({_log_defect(message, error)})", retryable=retryable, unsettled=not retryable)


def _log_defect(message: str, error: Exception) -> str:
    error_id = uuid.uuid4().hex[:12]
    log.error("%s (%s)", message, error_id, exc_info=error, extra={"action": "render.defect", "id": error_id})
    return error_id
