"""The query and the mutations of leased workers."""

from collections.abc import Awaitable, Sequence
from typing import cast

import strawberry

from coordinator.leases.claiming import Granted
from coordinator.leases.leases import Held
from models.db.lease_rows import WorkerRow
from models.domain.errors import DomainError
from models.reads import leases
from resolvers.answers import attempt
from schema.context import Context, Info
from schema.errors import user_errors
from schema.inputs import given
from schema.lease_inputs import ClaimTakesInput, FailTakeInput, FinishTakeInput, ReleaseTakeInput, RenewLeaseInput
from schema.lease_views import LeaseView, takes_of
from schema.leases import ClaimTakesPayload, LeasePayload, PassedOver, TakeLease, as_lease
from schema.types import as_scene
from schema.workers import Worker


@strawberry.type
class LeaseQuery:
    """The part of Query about leased workers."""

    @strawberry.field(
        description=(
            "Workers that are visible to the caller: for an admin all; for others their own, and those that lease "
            "or leased their takes."
        )
    )
    async def workers(self, info: Info) -> list[Worker]:
        context = info.context
        async with context.snapshot.read() as connection:
            found = await leases.workers(connection, context.viewer)
        return cast("list[Worker]", found)


@strawberry.type
class LeaseMutation:
    """The part of Mutation about leases. Any use of a token after its lease was lost is LEASE_LOST."""

    @strawberry.mutation(
        description=(
            'Lease waiting takes of jobs whose provider is "leased"; when there are none, wait up to waitSeconds. '
            "Callers with the role worker or admin lease takes of every owner, others takes of their own jobs."
        )
    )
    async def claim_takes(self, info: Info, input: ClaimTakesInput) -> ClaimTakesPayload:
        context = info.context
        outcome = await attempt(context.commands.claims.claim(context.viewer, input.request(), context.is_gone))
        if isinstance(outcome, list):
            return ClaimTakesPayload(leases=[], passed_over=[], errors=outcome)
        if not outcome.granted:
            context.audit.leave_out()
        return ClaimTakesPayload(
            leases=await _granted(context, outcome.worker, outcome.granted),
            passed_over=[PassedOver(reason=each.reason, takes=each.takes) for each in outcome.passed_over],
            errors=[],
        )

    @strawberry.mutation(description="Extend a lease, and report the progress of its take.")
    async def renew_lease(self, info: Info, input: RenewLeaseInput) -> LeasePayload:
        try:
            renewal = input.renewal()
        except DomainError as refusal:
            return LeasePayload(lease=None, scene=None, errors=user_errors([refusal]))
        context = info.context
        payload = await _payload(context, context.commands.leases.renew(context.viewer, renewal), input.token)
        if payload.lease is not None:
            context.audit.leave_out()
        return payload

    @strawberry.mutation(
        description=(
            "Finish a take whose clip is uploaded. The lease ends; the server inspects the clip, makes its poster and "
            "preview and completes the scene, or fails the take when the clip cannot be played. A repeated call "
            "changes nothing."
        )
    )
    async def finish_take(self, info: Info, input: FinishTakeInput) -> LeasePayload:
        context = info.context
        return await _payload(context, context.commands.leases.finish(context.viewer, input.delivery()))

    @strawberry.mutation(
        description="Report that a take failed. The lease ends; a retryable failure is retried automatically."
    )
    async def fail_take(self, info: Info, input: FailTakeInput) -> LeasePayload:
        context = info.context
        command = context.commands.leases.fail(context.viewer, input.token, input.reported())
        return await _payload(context, command)

    @strawberry.mutation(description="Return a take to the queue. The lease ends, and no attempt is used up.")
    async def release_take(self, info: Info, input: ReleaseTakeInput) -> LeasePayload:
        context = info.context
        command = context.commands.leases.release(context.viewer, input.token, given(input.reason))
        return await _payload(context, command)


async def _granted(context: Context, worker: WorkerRow, granted: Sequence[Granted]) -> list[TakeLease]:
    takes = await takes_of(context, [each.lease.take_id for each in granted])
    views = [
        LeaseView(each.lease, worker, each.scene, takes[each.lease.take_id], each.token, each.files)
        for each in granted
        if each.lease.take_id in takes
    ]
    return [as_lease(await _with_target(context, view)) for view in views]


async def _payload(context: Context, command: Awaitable[Held], token: str | None = None) -> LeasePayload:
    """Return the lease, if it goes on under this token, and its scene."""
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return LeasePayload(lease=None, scene=None, errors=outcome)
    lease, worker, scene = outcome
    take = (await takes_of(context, [lease.take_id])).get(lease.take_id) if token is not None else None
    shown = (
        None if take is None else as_lease(await _with_target(context, LeaseView(lease, worker, scene, take, token)))
    )
    return LeasePayload(lease=shown, scene=as_scene(scene), errors=[])


async def _with_target(context: Context, view: LeaseView) -> LeaseView:
    """Return a lease with the address to which its clip is uploaded."""
    uploads, upload_id = context.coordinator.uploads, view.lease.upload_id
    upload = None if upload_id is None else await uploads.find(upload_id)
    return view if upload is None else view._replace(upload=await uploads.target(upload, context.link.upload))
