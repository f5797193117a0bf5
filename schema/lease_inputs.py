"""The inputs of the mutations of leases."""

import base64
import binascii

import strawberry

from coordinator.commands.inputs import ReportedFailure
from coordinator.leases.inputs import ClaimRequest, Declared, Delivery, Renewal, declared
from models.domain.errors import Invalid
from schema.inputs import FailureInput, given, given_settings
from schema.scalars import JSONObject, SafeInt
from schema.settings import RenderSettingsInput

_TOKEN = "The token of the lease, from claimTakes."  # noqa: S105 # no token


@strawberry.input(
    description=(
        "The current state of the calling worker. A call with a known name is from that worker, possibly restarted."
    )
)
class WorkerInput:
    """Part of ClaimTakesInput."""

    name: str = strawberry.field(description="1 to 200 characters; unique among the workers of the caller.")
    labels: JSONObject | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "The labels of the worker. Takes whose metadata.worker, or that of their job, has other values are not "
            "leased to it."
        ),
    )
    models: list[str] = strawberry.field(
        description="The models that the worker has, by name or id. A take without a model can be leased by any worker."
    )
    unhealthy_reason: str | None = strawberry.field(
        default=strawberry.UNSET, description="Why the worker cannot render now. It gets no takes while this is set."
    )

    def declared(self) -> Declared:
        """Return the input of the command."""
        return declared(self.name, self.models, given(self.labels), given(self.unhealthy_reason))


@strawberry.input
class ClaimTakesInput:
    """The input of claimTakes."""

    worker: WorkerInput
    most: int = strawberry.field(default=1, description="Maximum number of takes to lease, 1 to 16.")
    lease_seconds: int = strawberry.field(
        default=60, description="Duration of each lease, 10 to 3600 seconds. Renew the lease after a third of it."
    )
    wait_seconds: int = strawberry.field(
        default=20, description="Seconds to wait for a take when none can be leased at once, 0 to 30."
    )

    def request(self) -> ClaimRequest:
        """Return the input of the command."""
        return ClaimRequest(self.worker.declared(), self.most, self.lease_seconds, self.wait_seconds)


@strawberry.input
class RenewLeaseInput:
    """The input of renewLease."""

    token: str = strawberry.field(description=_TOKEN)
    provider_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The id of the render at the worker, by which another worker can continue it.",
    )
    percentage: float | None = strawberry.field(default=strawberry.UNSET, description="0 to 100.")
    lease_seconds: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Duration of the lease from now, 10 to 3600 seconds; unchanged when omitted.",
    )
    frame: str | None = strawberry.field(
        default=strawberry.UNSET, description="The newest frame: a WebP picture of at most 30,000 bytes, in Base64."
    )

    def renewal(self) -> Renewal:
        """Return the input of the command. Raises Invalid."""
        frame = given(self.frame)
        return Renewal(
            self.token,
            given(self.provider_id),
            given(self.percentage),
            given(self.lease_seconds),
            None if frame is None else decoded_frame(frame),
        )


def decoded_frame(frame: str) -> bytes:
    """Return the bytes of a frame. Raises Invalid when it is no Base64."""
    try:
        return base64.b64decode(frame, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("frame is not in Base64.", ["input", "frame"]) from None


@strawberry.input
class FinishTakeInput:
    """The input of finishTake."""

    token: str = strawberry.field(description=_TOKEN)
    seed: SafeInt | None = strawberry.field(default=strawberry.UNSET, description="The seed that was used.")
    settings: RenderSettingsInput | None = strawberry.field(
        default=strawberry.UNSET, description="The settings that were used, where they differ from those of the lease."
    )
    metrics: JSONObject | None = strawberry.field(
        default=strawberry.UNSET, description="Other measurements of the render, stored with the take."
    )

    def delivery(self) -> Delivery:
        """Return the input of the command."""
        return Delivery(self.token, given(self.seed), given_settings(self.settings), given(self.metrics))


@strawberry.input
class FailTakeInput:
    """The input of failTake."""

    token: str = strawberry.field(description=_TOKEN)
    failure: FailureInput

    def reported(self) -> ReportedFailure:
        """Return the failure of the command."""
        failure = self.failure
        return {"code": failure.code, "message": failure.message, "retryable": failure.retryable}


@strawberry.input(
    description="A take to return to the queue; another worker may lease it at once, and no attempt is used up."
)
class ReleaseTakeInput:
    """The input of releaseTake."""

    token: str = strawberry.field(description=_TOKEN)
    reason: str | None = strawberry.UNSET
