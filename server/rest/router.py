"""The five calls of REST v3, all on the scenes of a job."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import ConfigDict, field_validator

from coordinator.commands.inputs import SceneEdit, SceneTarget
from coordinator.webhooks.json_v3 import Answer, progress_answer, scene_answer
from models.db.rows import SceneRow
from models.domain import ids
from models.domain.errors import ErrorCode, NotFound
from models.domain.lifecycle import SceneStatus
from models.domain.paging import Window
from models.reads import listing, queries
from models.reads.listing import SceneQuery
from schema.context import Context
from server.rest.names import DOMAIN_NAMES, PREFIX
from server.rest.openapi import ERROR_RESPONSES
from server.rest.orders import Ordered, Regenerate, without_orders
from server.rest.route import LimitedRoute, context_of

SCENES: Final = "/jobs/{job_id}/scenes"
SCENE: Final = "/jobs/{job_id}/scenes/{scene_id}"


class SceneUpdate(Ordered):
    """The fields that PUT can set. Absent fields stay as they are; unknown fields are ignored."""

    model_config = ConfigDict(strict=True)

    status: Literal["pending", "processing", "completed", "failed", "canceled"] | None = None
    provider_id: str | None = None
    video_url: str | None = None
    output_asset_id: str | None = None
    title: str | None = None
    prompt: str | None = None
    duration_seconds: float | None = None
    percentage: float | None = None
    metadata: dict[str, Any] | None = None
    take_number: int | None = None
    adopt_output: bool | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    def edit(self) -> SceneEdit:
        """Return the fields that were given, under the names of the domain."""
        fields = {DOMAIN_NAMES.get(name, name): getattr(self, name) for name in self.model_fields_set}
        if self.status is not None:
            fields["status"] = SceneStatus(self.status.upper())
        return without_orders(fields) | self.asked()


async def list_scenes(request: Request, job_id: str) -> Answer:
    """List the scenes of a job in play order, with the job's progress."""
    context = context_of(request)
    async with context.store.read() as connection:
        snapshot = (await queries.progress_snapshots(connection, context.viewer, [job_id])).get(job_id)
        job = (await queries.jobs_by_id(connection, context.viewer, [job_id])).get(job_id)
        if snapshot is None or job is None or job.deleted_at is not None:
            raise _no_job(job_id)
        found = await listing.scenes_of_jobs(connection, [job_id], SceneQuery(Window(None)))
    return {
        "data": [scene_answer(context.media_url, scene) for scene in found[job_id].items],
        "progress": progress_answer(snapshot),
    }


async def get_scene(request: Request, job_id: str, scene_id: str) -> Answer:
    """Get one scene."""
    context = context_of(request)
    scene = await _scene(context, job_id, scene_id)
    if scene.job_deleted_at is not None:
        raise _no_job(job_id)
    if scene.deleted_at is not None:
        raise _no_scene(scene_id)
    return {"data": scene_answer(context.media_url, scene)}


async def update_scene(request: Request, job_id: str, scene_id: str, update: SceneUpdate) -> Answer:
    """Edit a scene, or report its progress."""
    context = context_of(request)
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "updateScene", scene_id):
        await context.commands.scenes.update(context.viewer, SceneTarget(scene_id, job_id), update.edit())
    return await _updated(context, job_id, scene_id)


async def regenerate_scene(request: Request, job_id: str, scene_id: str, order: Regenerate | None = None) -> Answer:
    """Set a finished scene back to pending, to be rendered again: as it is, or with what the body changes."""
    order = order or Regenerate()
    context = context_of(request)
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "regenerateScene", scene_id):
        target = SceneTarget(scene_id, job_id)
        await context.commands.scenes.regenerate(context.viewer, target, order.prompt, asked=order.asked())
    return await _updated(context, job_id, scene_id)


async def delete_scene(request: Request, job_id: str, scene_id: str) -> Answer:
    """Delete a scene. Refused while its job is processing."""
    context = context_of(request)
    async with context.coordinator.audit.mutation(context.viewer, context.audit, "deleteScene", scene_id):
        await context.commands.scenes.delete(context.viewer, SceneTarget(scene_id, job_id))
    return await _updated(context, job_id, scene_id)


async def _updated(context: Context, job_id: str, scene_id: str) -> Answer:
    return {"data": scene_answer(context.media_url, await _scene(context, job_id, scene_id))}


async def _scene(context: Context, job_id: str, scene_id: str) -> SceneRow:
    async with context.store.read() as connection:
        scene = (await queries.scenes_by_id(connection, context.viewer, [scene_id])).get(scene_id)
        job = (await queries.jobs_by_id(connection, context.viewer, [job_id])).get(job_id)
    if job is None:
        raise _no_job(job_id)
    if scene is None:
        raise _no_scene(scene_id)
    if scene.job_id != job_id:
        raise NotFound("The scene belongs to another job.", ["scene_id"], scene_id, ErrorCode.SCENE_NOT_IN_JOB)
    return scene


def _no_job(job_id: str) -> NotFound:
    return NotFound("There is no such job.", ["job_id"], job_id if ids.is_id(job_id, "job") else None)


def _no_scene(scene_id: str) -> NotFound:
    return NotFound("The job has no such scene.", ["scene_id"], scene_id if ids.is_id(scene_id, "scene") else None)


# Each docstring is the description of its call in OpenAPI.
SCENE_ROUTES: Final = APIRouter(prefix=PREFIX, tags=["scenes"], responses=ERROR_RESPONSES, route_class=LimitedRoute)
for _path, _read in ((SCENES, list_scenes), (SCENE, get_scene)):
    SCENE_ROUTES.add_api_route(_path, _read, methods=["GET"])
    SCENE_ROUTES.add_api_route(_path, _read, methods=["HEAD"], include_in_schema=False)
SCENE_ROUTES.add_api_route(SCENE, update_scene, methods=["PUT"])
SCENE_ROUTES.add_api_route(f"{SCENE}/regenerate", regenerate_scene, methods=["POST"])
SCENE_ROUTES.add_api_route(SCENE, delete_scene, methods=["DELETE"])
