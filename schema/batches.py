"""Batches: what many scenes are named by, and what is answered for each."""

import strawberry

from coordinator.commands.inputs import SceneBatch, SceneEdits
from schema.enums import BatchPolicy, SceneStatus
from schema.errors import UserError
from schema.inputs import UpdateSceneInput, given, target
from schema.jobs import Job
from schema.scenes import Scene

_DRY_RUN = "Say what would happen; write nothing."


@strawberry.input
class UpdateScenesInput:
    """Scenes of one job, each with edits of its own."""

    job_id: strawberry.ID
    scenes: list[UpdateSceneInput] = strawberry.field(description="1 to 200, each scene once.")
    policy: BatchPolicy = BatchPolicy.ALL_OR_NOTHING
    dry_run: bool = strawberry.field(default=False, description=_DRY_RUN)

    def edits(self) -> SceneEdits:
        """In the words of the domain."""
        return SceneEdits(
            self.job_id, [(target(scene), scene.edit()) for scene in self.scenes], self.policy, self.dry_run
        )


@strawberry.input
class SceneBatchInput:
    """Scenes of one job to do the same to."""

    job_id: strawberry.ID
    scene_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "These scenes, 1 to 200, each once; or with status instead every live scene in one of these statuses, and "
            "for restoreScenes every deleted one: exactly one of the two."
        ),
    )
    status: list[SceneStatus] | None = strawberry.UNSET
    policy: BatchPolicy = BatchPolicy.ALL_OR_NOTHING
    dry_run: bool = strawberry.field(default=False, description=_DRY_RUN)
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET, description="Remembered once something was done; a dry run remembers nothing."
    )

    def batch(self) -> SceneBatch:
        """In the words of the domain."""
        return SceneBatch(
            self.job_id,
            given(self.scene_ids),
            given(self.status),
            self.policy,
            self.dry_run,
            given(self.idempotency_key),
        )


@strawberry.type(description="What became of one scene of a batch.")
class SceneResult:
    """Done when there are no errors."""

    scene_id: strawberry.ID
    scene: Scene | None = strawberry.field(
        description=(
            "As it is now; after a dry run as it would be, though its takes and its job are read as they are. Null "
            "when it was refused."
        )
    )
    errors: list[UserError]


@strawberry.type(description="What became of the scenes of a batch, in the order of the input.")
class ScenesPayload:
    """`errors` are those of the request as a whole; then there are no results."""

    results: list[SceneResult]
    succeeded: int
    failed: int
    dry_run: bool
    job: Job | None
    errors: list[UserError] = strawberry.field(
        description="Why the request as a whole was not even tried; what is wrong with single scenes is in results."
    )
