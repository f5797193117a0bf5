"""The five calls of leased workers in REST v3, for workers that are shell scripts or have no GraphQL client."""

from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from coordinator.commands.inputs import ReportedFailure
from coordinator.leases.claiming import Granted
from coordinator.leases.inputs import ClaimRequest, Delivery, Renewal, declared
from coordinator.leases.leases import Held
from coordinator.webhooks.json_v3 import Answer, scene_answer
from models.db.lease_rows import LeaseRow
from models.db.rows import SceneRow, TakeRow
from models.domain.access import SYSTEM
from models.domain.settings import NAMES
from models.reads import queries
from schema.context import Context
from schema.lease_inputs import decoded_frame
from server.rest.names import PREFIX
from server.rest.openapi import ERROR_RESPONSES
from server.rest.orders import Settings
from server.rest.route import LimitedRoute, context_of

RESPONSES = ERROR_RESPONSES | {
    409: {**ERROR_RESPONSES[422], "description": "The lease is over (LEASE_LOST): give the take up"}
}


class WorkerBody(BaseModel):
    """A worker as it is now; the same name again is the same worker, restarted."""

    name: str
    models: list[str]
    labels: dict[str, Any] | None = None
    unhealthy_reason: str | None = None


class ClaimBody(BaseModel):
    """Ask for takes: `most` at once, each for `lease_seconds`; wait `wait_seconds` for the first."""

    model_config = ConfigDict(strict=True)

    worker: WorkerBody
    most: int = 1
    lease_seconds: int = 60
    wait_seconds: int = 20

    def request(self) -> ClaimRequest:
        """Return the input of the command."""
        worker = self.worker
        described = declared(worker.name, worker.models, worker.labels, worker.unhealthy_reason)
        return ClaimRequest(described, self.most, self.lease_seconds, self.wait_seconds)


class RenewBody(BaseModel):
    """Extend a lease, and report how far its take is; `frame` is a WebP picture in Base64."""

    model_config = ConfigDict(strict=True)

    token: str
    provider_id: str | None = None
    percentage: float | None = None
    lease_seconds: int | None = None
    frame: str | None = None


class FinishBody(BaseModel):
    """The clip is uploaded. Report settings that differ from the lease, and other measurements."""

    model_config = ConfigDict(strict=True)

    token: str
    seed: int | None = None
    settings: Settings | None = None
    metrics: dict[str, Any] | None = None


class FailBody(BaseModel):
    """The take failed."""

    model_config = ConfigDict(strict=True)

    token: str
    code: str
    message: str
    retryable: bool = False


class ReleaseBody(BaseModel):
    """Give the take back."""

    model_config = ConfigDict(strict=True)

    token: str
    reason: str | None = None


async def claim_takes(request: Request, body: ClaimBody) -> Answer:
    """Lease waiting takes; wait for the first of them."""
    context = context_of(request)
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "claimTakes", None):
        claimed = await context.commands.claims.claim(context.viewer, body.request(), context.is_gone)
        if not claimed.granted:
            context.audit.leave_out()
    takes = await _takes(context, [each.lease.take_id for each in claimed.granted])
    leases = [
        await _lease_answer(context, each.lease, each.scene, takes[each.lease.take_id], each)
        for each in claimed.granted
        if each.lease.take_id in takes
    ]
    return {"data": {"leases": leases, "passed_over": [each._asdict() for each in claimed.passed_over]}}


async def renew_lease(request: Request, body: RenewBody) -> Answer:
    """Extend a lease, and report how far its take is."""
    context = context_of(request)
    frame = None if body.frame is None else decoded_frame(body.frame)
    renewal = Renewal(body.token, body.provider_id, body.percentage, body.lease_seconds, frame)
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "renewLease", None):
        lease, _, scene = await context.commands.leases.renew(context.viewer, renewal)
        context.audit.leave_out()
    takes = await _takes(context, [lease.take_id])
    return {"data": await _lease_answer(context, lease, scene, takes[lease.take_id])}


async def finish_take(request: Request, body: FinishBody) -> Answer:
    """End a lease with an uploaded clip, which the server then looks at."""
    context = context_of(request)
    used = None if body.settings is None else body.settings.given()
    delivery = Delivery(body.token, body.seed, used, body.metrics)
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "finishTake", None):
        return _ended(context, await context.commands.leases.finish(context.viewer, delivery))


async def fail_take(request: Request, body: FailBody) -> Answer:
    """End a lease because the take failed."""
    context = context_of(request)
    failure: ReportedFailure = {"code": body.code, "message": body.message, "retryable": body.retryable}
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "failTake", None):
        held = await context.commands.leases.fail(context.viewer, body.token, failure)
    return _ended(context, held)


async def release_take(request: Request, body: ReleaseBody) -> Answer:
    """Return a take to the queue; no attempt is used up."""
    context = context_of(request)
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "releaseTake", None):
        held = await context.commands.leases.release(context.viewer, body.token, body.reason)
    return _ended(context, held)


async def _takes(context: Context, take_ids: list[str]) -> dict[str, TakeRow]:
    async with context.store.read() as connection:
        return await queries.takes_by_id(connection, SYSTEM, take_ids)


def _ended(context: Context, held: Held) -> Answer:
    return {"data": scene_answer(context.media_url, held.scene)}


async def _lease_answer(
    context: Context, lease: LeaseRow, scene: SceneRow, take: TakeRow, granted: Granted | None = None
) -> Answer:
    """Return the JSON of a lease; one that was just granted has its token and the files of its inputs."""
    uploads = context.coordinator.uploads
    upload = None if lease.upload_id is None else await uploads.find(lease.upload_id)
    target = None if upload is None else await uploads.target(upload, context.link.upload)
    answer: Answer = {
        "job_id": lease.job_id,
        "scene_id": lease.scene_id,
        "take_id": lease.take_id,
        "take_number": lease.take_number,
        "provider_id": take.provider_id,
        "prompt": take.prompt,
        "duration_seconds": scene.duration_seconds,
        "settings": {name: (take.settings or {}).get(name) for name in NAMES},
        "metadata": scene.metadata,
        "clip": None if target is None else target._asdict() | {"headers": dict(target.headers)},
        "expires_at": scene.lease_expires_at,
        "traceparent": lease.traceparent,
    }
    if granted is None:
        return answer
    files = [
        {
            "role": each.role,
            "name": each.name,
            "url": context.media_url(each.key),
            "content_type": each.content_type,
            "size_bytes": each.size_bytes,
        }
        for each in granted.files
    ]
    return answer | {"token": granted.token, "files": files}


# Each docstring is the description of its call in OpenAPI.
LEASE_ROUTES: Final = APIRouter(
    prefix=f"{PREFIX}/leases", tags=["leases"], responses=RESPONSES, route_class=LimitedRoute
)
LEASE_ROUTES.add_api_route("/claim", claim_takes, methods=["POST"])
LEASE_ROUTES.add_api_route("/renew", renew_lease, methods=["POST"])
LEASE_ROUTES.add_api_route("/finish", finish_take, methods=["POST"])
LEASE_ROUTES.add_api_route("/fail", fail_take, methods=["POST"])
LEASE_ROUTES.add_api_route("/release", release_take, methods=["POST"])
