"""The inputs and payloads of operations on many scenes of one job."""

import strawberry

from coordinator.commands.inputs import SceneBatch, SceneEdits
from schema.enums import BatchPolicy, SceneStatus
from schema.errors import UserError
from schema.inputs import UpdateSceneInput, given, target
from schema.types import Job, Scene

_DRY_RUN = "Return the results without writing anything."


@strawberry.input(description="Scenes of one job, each with its own edits.")
class UpdateScenesInput:
    """The input of updateScenes."""

    job_id: strawberry.ID
    scenes: list[UpdateSceneInput] = strawberry.field(description="1 to 200 items, each with a different scene.")
    policy: BatchPolicy = BatchPolicy.ALL_OR_NOTHING
    dry_run: bool = strawberry.field(default=False, description=_DRY_RUN)

    def edits(self) -> SceneEdits:
        """Convert to the coordinator's input."""
        return SceneEdits(
            self.job_id, [(target(scene), scene.edit()) for scene in self.scenes], self.policy, self.dry_run
        )


@strawberry.input(description="Scenes of one job, for the same operation on each. Give either sceneIds or status.")
class SceneBatchInput:
    """The input of the other batch mutations."""

    job_id: strawberry.ID
    scene_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="These scenes: 1 to 200 different ids."
    )
    status: list[SceneStatus] | None = strawberry.field(
        default=strawberry.UNSET,
        description="All live scenes in any of these statuses; for restoreScenes, all deleted scenes in them.",
    )
    policy: BatchPolicy = BatchPolicy.ALL_OR_NOTHING
    dry_run: bool = strawberry.field(default=False, description=_DRY_RUN)
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "A retry with the same key and the same input within 24 hours returns the first result and changes "
            "nothing. The key is stored only when at least one operation succeeded, and never by a dry run."
        ),
    )

    def batch(self) -> SceneBatch:
        """Convert to the coordinator's input."""
        return SceneBatch(
            self.job_id,
            given(self.scene_ids),
            given(self.status),
            self.policy,
            self.dry_run,
            given(self.idempotency_key),
        )


@strawberry.type(description="The result for one scene of a batch; it succeeded when there are no errors.")
class SceneResult:
    """One item of `ScenesPayload.results`."""

    scene_id: strawberry.ID
    scene: Scene | None = strawberry.field(
        description=(
            "The scene after the operation; null when the operation failed. After a dry run: the scene as it would be, "
            "but with the present takes and job."
        )
    )
    errors: list[UserError]


@strawberry.type(description="The results of a batch, in the order of the input.")
class ScenesPayload:
    """The payload of every batch mutation."""

    results: list[SceneResult]
    succeeded: int
    failed: int
    dry_run: bool
    job: Job | None
    errors: list[UserError] = strawberry.field(
        description=(
            "Errors of the request as a whole, which prevented every operation; then there are no results. Errors of "
            "single scenes are in results."
        )
    )
