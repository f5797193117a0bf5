"""What follows a failed take: another one, or the failure of its scene."""

from datetime import timedelta
from typing import Any

from coordinator.commands.jobs import closed
from coordinator.commands.scheduling import schedule_takes
from models.db.rows import SceneRow
from models.domain.events import EventType
from models.domain.failures import FailureJson
from models.domain.lifecycle import SceneStatus, TakeReason
from models.writes.change import Change
from models.writes.new_take import next_take


async def end(
    change: Change, scene: SceneRow, take: dict[str, Any], *, repeatable: bool, backoff_seconds: float
) -> None:
    """End the current take by writing these columns, `failure` among them.

    With attempts left, a repeatable one is followed by another take after the backoff; otherwise the scene fails.
    """
    if repeatable and scene.attempts < scene.max_attempts:
        change.write_take(scene.take_id, take)
        await _retry(change, scene, take["failure"], backoff_seconds)
    else:
        await change.write_scene(
            scene,
            EventType.SCENE_FAILED,
            ["status", "failure"],
            take=take,
            status=SceneStatus.FAILED,
            failure=take["failure"],
            **closed(change),
        )


async def _retry(change: Change, scene: SceneRow, failure: FailureJson, backoff_seconds: float) -> None:
    take = next_take(scene, TakeReason.AUTOMATIC_RETRY, scene.prompt)
    await change.write_scene(
        scene,
        EventType.SCENE_RETRYING,
        ["status", "failure", "nextAttemptAt", "providerId"],
        new_take=take,
        status=SceneStatus.PENDING,
        leased_by=None,
        percentage=None,
        frame=None,
        failure=failure,
        next_attempt_at=change.now + timedelta(seconds=backoff_seconds),
    )
    await schedule_takes(change, [(scene.id, take.number)], delay_seconds=backoff_seconds)
