"""Adoption: a worker of ours fetches, looks at and keeps the clip that an external worker reported.

Until that is done the scene is PROCESSING at 99 %, and leased: the queue hands it out like a render, and a reconciler
enqueues it again. Every report on it is fenced by that lease.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from coordinator.commands.inputs import SceneEdit
from models.db.prepared import Call, Prepared
from models.db.rows import SceneRow
from models.db.tables import JOB, SCENE
from models.domain import lifecycle
from models.domain.access import EXTERNAL
from models.domain.lifecycle import SceneStatus
from models.domain.rules import Problems
from models.writes.change import Change, Ticket

PERCENTAGE = 99.0
# Who holds the lease until a worker takes the scene; the lease is over at once.
_NOBODY = "adoption"
# The statuses that a report of a clip can have.
_DELIVERED = (SceneStatus.PROCESSING, SceneStatus.COMPLETED)
_RUNNING_OF_OWNER = Prepared(
    sa.select(sa.func.count())
    .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
    .where(
        SCENE.c.status == SceneStatus.PROCESSING,
        SCENE.c.leased_by.is_not(None),
        JOB.c.provider == EXTERNAL,
        JOB.c.owner_id == sa.bindparam("owner_id", type_=JOB.c.owner_id.type),
    )
)


@dataclass(frozen=True, slots=True)
class AdoptionPolicy:
    """Whether clips are adopted unless a report says otherwise, and whether http addresses are fetched."""

    always: bool = False
    http: bool = False


ON_REQUEST = AdoptionPolicy()


def is_running(scene: SceneRow) -> bool:
    """Whether the clip of the scene is being adopted."""
    return scene.provider == EXTERNAL and scene.status is SceneStatus.PROCESSING and scene.leased_by is not None


def reported_url(scene: SceneRow) -> str | None:
    """Return the outputUrl of the current take: that of its clip, or the one from which the clip was adopted."""
    output = scene.output or {}
    return output.get("url") or output.get("source_url")


def is_wanted(scene: SceneRow, status: SceneStatus, edit: SceneEdit, policy: AdoptionPolicy) -> bool:
    """Return whether the clip is to be adopted, or goes on to be, after a report with this status on an open take."""
    wish = edit.get("adopt_output")
    if scene.provider != EXTERNAL or scene.status not in lifecycle.OPEN or wish is False:
        return False
    if wish or edit.get("output_asset_id") is not None:
        return status in _DELIVERED
    by_default = policy.always and _url_after(scene, edit) is not None
    return status is SceneStatus.COMPLETED and (by_default or is_running(scene))


def check(
    problems: Problems, scene: SceneRow, status: SceneStatus, edit: SceneEdit, policy: AdoptionPolicy, path: list[str]
) -> None:
    """Add what speaks against the adoption that a report asks for."""
    if edit.get("adopt_output") and edit.get("output_asset_id") is None:
        _check_wish(problems, scene, status, edit, [*path, "adoptOutput"])
    if is_running(scene) and status in _DELIVERED and "output_url" in edit and _moves(scene, edit):
        problems.add("The clip of this take is being fetched from elsewhere.", [*path, "outputUrl"])
    url = _url_after(scene, edit)
    if url and not policy.http and urlsplit(url).scheme != "https" and is_wanted(scene, status, edit, policy):
        problems.add("Only clips at https addresses are fetched and kept.", [*path, "outputUrl"])


async def begin(change: Change, scene: SceneRow) -> dict[str, Any]:
    """Enqueue the adoption, and return the columns of the scene that say so.

    Fair share: the priority falls with the number of clips of the owner that are being adopted.
    """
    ((running,),) = await change.read(Call(_RUNNING_OF_OWNER, [{"owner_id": change.job.owner_id}]))
    change.tickets.append(Ticket(EXTERNAL, scene.job_id, scene.id, scene.take_number, -running))
    percentage = max(PERCENTAGE, scene.percentage or 0.0)
    return {
        "percentage": percentage,
        "high_water": max(percentage, scene.high_water),
        "leased_by": _NOBODY,
        "lease_expires_at": change.now,
        "priority": -running,
        "run": scene.run + 1,
        "reported_at": None,
    }


def _check_wish(problems: Problems, scene: SceneRow, status: SceneStatus, edit: SceneEdit, path: Sequence[str]) -> None:
    if scene.provider != EXTERNAL:
        problems.add("Only clips of the provider external are adopted.", path)
    elif scene.status in lifecycle.SETTLED_SCENE:
        # The report may be repeated, because its answer was lost.
        if not (scene.output or {}).get("source_url"):
            problems.add("The take is finished; regenerate the scene to make another.", path)
    elif status not in _DELIVERED:
        problems.add("adoptOutput goes with the status PROCESSING or COMPLETED.", path)
    elif _url_after(scene, edit) is None and not is_running(scene):
        problems.add("adoptOutput needs an outputUrl or an outputAssetId.", path)


def _url_after(scene: SceneRow, edit: SceneEdit) -> str | None:
    if edit.get("output_asset_id") is not None:
        # The asset is the clip, whatever was reported before.
        return None
    return edit.get("output_url") if "output_url" in edit else reported_url(scene)


def _moves(scene: SceneRow, edit: SceneEdit) -> bool:
    return edit.get("output_url") != reported_url(scene)
