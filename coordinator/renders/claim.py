"""The right to render one take, and whether it still holds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.commands.scene_progress import Fenced, TakenOver
from models.db.rows import SceneRow
from models.db.tables import SCENE
from models.domain.access import EXTERNAL, SYSTEM
from models.domain.lifecycle import SceneStatus
from models.domain.trace import TraceContext
from models.reads import queries
from models.writes.change import Change
from models.writes.store import Store
from providers.port import EarlierOrder, Failure


class Claim(NamedTuple):
    """The right to render one take. It ends when the scene has another take or another `run`.

    With `source_url` the clip exists there, made by a worker outside the server, and is only to be fetched and kept;
    with `source_asset` it is the file of that asset.
    `fresh`: this is the first claim of the take, so that no order exists; `unsettled` are orders of earlier takes.
    """

    job_id: str
    scene_id: str
    take_id: str
    take_number: int
    run: int
    provider: str
    provider_id: str | None
    prompt: str
    title: str | None
    duration_seconds: float
    metadata: dict[str, Any]
    attempts_left: int
    started_at: datetime | None = None
    fresh: bool = False
    unsettled: tuple[EarlierOrder, ...] = ()
    source_url: str | None = None
    source_asset: str | None = None
    # As they are stored with the take.
    settings: Mapping[str, Any] | None = None
    inputs: Sequence[Mapping[str, Any]] = ()
    # Why the take fails before anything is bought.
    refused: Failure | None = None
    # The span of the request that let the take wait, if it was stored.
    trace: TraceContext | None = None


def claim_of(scene: SceneRow) -> Claim:
    """Return the claim in a scene's columns."""
    return Claim(
        scene.job_id,
        scene.id,
        scene.take_id,
        scene.take_number,
        scene.run,
        scene.provider,
        scene.provider_id,
        scene.prompt,
        scene.title,
        scene.duration_seconds,
        scene.metadata,
        scene.max_attempts - scene.attempts,
        scene.take_started_at,
        source_url=scene.output.get("url") if scene.provider == EXTERNAL and scene.output else None,
    )


async def check(store: Store, held: Claim) -> None:
    """Raise Fenced when the claim no longer holds, TakenOver when another worker goes on with the take."""
    async with store.read() as connection:
        scene = await queries.one(queries.scenes_by_id, connection, SYSTEM, held.scene_id)
    if scene is None:
        raise Fenced
    _check_owned(held, scene)


def holds(held: Claim) -> list[sa.ColumnElement[bool]]:
    """Return the condition on the scene's row under which the claim holds."""
    return [
        SCENE.c.id == held.scene_id,
        SCENE.c.take_number == held.take_number,
        SCENE.c.run == held.run,
        SCENE.c.status == SceneStatus.PROCESSING,
        SCENE.c.deleted_at.is_(None),
    ]


async def owned(change: Change, held: Claim) -> SceneRow:
    """Return the scene of a claim within a change. Raises as `check`."""
    scene = await change.scene(held.scene_id)
    _check_owned(held, scene)
    return scene


def _check_owned(held: Claim, scene: SceneRow) -> None:
    if not _owns(held, scene):
        raise TakenOver if _owns(held._replace(run=scene.run), scene) else Fenced


def _owns(held: Claim, scene: SceneRow) -> bool:
    return (
        scene.take_number == held.take_number
        and scene.run == held.run
        and scene.status is SceneStatus.PROCESSING
        and scene.deleted_at is None
    )
