"""The typed calls: one method for each query and mutation of jobs and scenes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeVar, Unpack

from scenewire import inputs
from scenewire.batches import BatchResult
from scenewire.decoding import decode
from scenewire.documents import JOB, JOBS, MUTATIONS, SCENE, SERVER_INFO, VIEWER
from scenewire.enums import Grant
from scenewire.errors import Json, NotFound, UserError, refusal
from scenewire.models import (
    AccessToken,
    DeletedScene,
    Job,
    JobSummary,
    NewToken,
    Page,
    SceneDetails,
    ServerInfo,
    Viewer,
)

T = TypeVar("T")


class Calls(ABC):
    """Each call raises Refused (NotFound, Conflict, RateLimited), TokenRefused, Unavailable or ServerError."""

    @abstractmethod
    async def execute(self, document: str, variables: Mapping[str, Any] | None = None) -> Json:
        """Run any query or mutation; return `data`."""

    async def job(self, job_id: str) -> Job:
        """Return a job with its scenes."""
        return _found(Job, (await self.execute(JOB, {"id": job_id}))["job"], "There is no such job.")

    async def jobs(
        self,
        *,
        first: int = 20,
        after: str | None = None,
        filter: inputs.JobFilter | None = None,  # noqa: A002 # its name in the schema
        order_by: inputs.JobOrder | None = None,
        include_deleted: bool = False,
    ) -> Page[JobSummary]:
        """Return a page of at most 100 jobs, the newest first unless ordered otherwise."""
        variables = {"first": first, "after": after, "includeDeleted": include_deleted}
        chosen = {"filter": inputs.to_json(filter), "orderBy": inputs.to_json(order_by)}
        page = (await self.execute(JOBS, {**variables, **chosen}))["jobs"]
        items = tuple(decode(JobSummary, node) for node in page["nodes"])
        info = page["pageInfo"]
        return Page(
            items=items,
            total_count=page["totalCount"],
            has_next_page=info["hasNextPage"],
            end_cursor=info["endCursor"],
        )

    async def all_jobs(
        self,
        filter: inputs.JobFilter | None = None,  # noqa: A002 # its name in the schema
    ) -> AsyncGenerator[JobSummary]:
        """Yield every job that matches, the newest first, read page by page."""
        after: str | None = None
        while True:
            page = await self.jobs(first=100, after=after, filter=filter)
            for job in page.items:
                yield job
            if not page.has_next_page:
                return
            after = page.end_cursor

    async def scene(self, scene_id: str) -> SceneDetails:
        """Return a scene with its settings and takes."""
        return _found(SceneDetails, (await self.execute(SCENE, {"id": scene_id}))["scene"], "There is no such scene.")

    async def viewer(self) -> Viewer:
        """Return the holder of the token."""
        return decode(Viewer, (await self.execute(VIEWER))["viewer"])

    async def server_info(self) -> ServerInfo:
        """Return version and configuration of the server."""
        return decode(ServerInfo, (await self.execute(SERVER_INFO))["serverInfo"])

    async def create_job(self, **fields: Unpack[inputs.NewJob]) -> Job:
        """Create a job with its scenes; with `start`, queue them for rendering."""
        return await self._job("createJob", fields)

    async def update_job(self, job_id: str, **fields: Unpack[inputs.JobUpdate]) -> Job:
        """Change title, metadata or settings of a job."""
        return await self._job("updateJob", fields, job_id=job_id)

    async def start_job(self, job_id: str, **options: Unpack[inputs.JobAction]) -> Job:
        """Queue all scenes of a pending job for rendering."""
        return await self._job("startJob", options, job_id=job_id)

    async def cancel_job(self, job_id: str, **options: Unpack[inputs.JobAction]) -> Job:
        """Cancel every pending or processing scene."""
        return await self._job("cancelJob", options, job_id=job_id)

    async def delete_job(self, job_id: str, **options: Unpack[inputs.JobAction]) -> Job:
        """Delete a job that is not processing; `restore_job` can restore it until `purge_after`."""
        return await self._job("deleteJob", options, job_id=job_id)

    async def restore_job(self, job_id: str, **options: Unpack[inputs.JobAction]) -> Job:
        """Restore a deleted job."""
        return await self._job("restoreJob", options, job_id=job_id)

    async def reorder_scenes(
        self, job_id: str, scene_ids: Sequence[str], *, expected_version: int | None = None
    ) -> Job:
        """Set the play order: every live scene exactly once."""
        return await self._job(
            "reorderScenes", {"expected_version": expected_version}, job_id=job_id, scene_ids=list(scene_ids)
        )

    async def add_scene(
        self, job_id: str, scene: inputs.NewScene, **options: Unpack[inputs.AddedScene]
    ) -> SceneDetails:
        """Add a scene; in a started job it is queued at once."""
        return await self._scene("addScene", options, job_id=job_id, scene=scene)

    async def update_scene(self, scene_id: str, **fields: Unpack[inputs.SceneUpdate]) -> SceneDetails:
        """Edit a scene, or report the progress of an external render."""
        return await self._scene("updateScene", fields, scene_id=scene_id)

    async def regenerate_scene(self, scene_id: str, **fields: Unpack[inputs.Regeneration]) -> SceneDetails:
        """Render a completed, failed or canceled scene again as a new take."""
        return await self._scene("regenerateScene", fields, scene_id=scene_id)

    async def cancel_scene(self, scene_id: str, **options: Unpack[inputs.SceneOptions]) -> SceneDetails:
        """Cancel a pending or processing scene."""
        return await self._scene("cancelScene", options, scene_id=scene_id)

    async def delete_scene(self, scene_id: str, **options: Unpack[inputs.SceneOptions]) -> DeletedScene:
        """Delete a scene of a job that is not processing."""
        payload = await self._mutate("deleteScene", options, scene_id=scene_id)
        return decode(DeletedScene, payload)

    async def restore_scene(self, scene_id: str, **options: Unpack[inputs.SceneOptions]) -> SceneDetails:
        """Restore a deleted scene at its former position."""
        return await self._scene("restoreScene", options, scene_id=scene_id)

    async def select_take(self, take_id: str, **options: Unpack[inputs.TakeOptions]) -> SceneDetails:
        """Show an earlier completed take of a scene again."""
        return await self._scene("selectTake", options, take_id=take_id)

    async def move_scene(self, scene_id: str, position: int, **options: Unpack[inputs.SceneOptions]) -> SceneDetails:
        """Move a live scene to a 0-based position."""
        return await self._scene("moveScene", options, scene_id=scene_id, position=position)

    async def update_scenes(
        self, job_id: str, scenes: Sequence[inputs.SceneEdit], **options: Unpack[inputs.Edits]
    ) -> BatchResult:
        """Edit scenes of one job, each with its own fields."""
        return await self._batch("updateScenes", options, job_id=job_id, scenes=list(scenes))

    async def regenerate_scenes(self, job_id: str, **batch: Unpack[inputs.Batch]) -> BatchResult:
        """Render completed, failed or canceled scenes of one job again."""
        return await self._batch("regenerateScenes", batch, job_id=job_id)

    async def cancel_scenes(self, job_id: str, **batch: Unpack[inputs.Batch]) -> BatchResult:
        """Cancel pending or processing scenes of one job."""
        return await self._batch("cancelScenes", batch, job_id=job_id)

    async def delete_scenes(self, job_id: str, **batch: Unpack[inputs.Batch]) -> BatchResult:
        """Delete scenes of one job that is not processing."""
        return await self._batch("deleteScenes", batch, job_id=job_id)

    async def restore_scenes(self, job_id: str, **batch: Unpack[inputs.Batch]) -> BatchResult:
        """Restore deleted scenes of one job."""
        return await self._batch("restoreScenes", batch, job_id=job_id)

    async def create_token(self, grants: Sequence[Grant | str], **options: Unpack[inputs.TokenOptions]) -> NewToken:
        """Make a token that may do less than the caller, for an hour unless the options say otherwise."""
        return decode(NewToken, await self._mutate("createToken", options, grants=list(grants)))

    async def revoke_token(self, token_id: str) -> AccessToken:
        """Revoke a token and close its connections. Idempotent."""
        return decode(AccessToken, (await self._mutate("revokeToken", {}, token_id=token_id))["token"])

    async def _job(self, name: str, fields: Mapping[str, Any], **ids: Any) -> Job:
        return decode(Job, (await self._mutate(name, fields, **ids))["job"])

    async def _scene(self, name: str, fields: Mapping[str, Any], **ids: Any) -> SceneDetails:
        return decode(SceneDetails, (await self._mutate(name, fields, **ids))["scene"])

    async def _batch(self, name: str, fields: Mapping[str, Any], **ids: Any) -> BatchResult:
        return BatchResult.of(await self._mutate(name, fields, **ids))

    async def _mutate(self, name: str, fields: Mapping[str, Any], **ids: Any) -> Json:
        """Run a mutation; return its payload. Raises Refused for the errors of the payload."""
        payload = (await self.execute(MUTATIONS[name], {"input": inputs.to_json({**ids, **fields})}))[name]
        if payload["errors"]:
            raise refusal(payload["errors"])
        return payload


def _found(kind: type[T], value: Json | None, message: str) -> T:
    if value is None:
        raise NotFound([UserError("NOT_FOUND", message)])
    return decode(kind, value)
