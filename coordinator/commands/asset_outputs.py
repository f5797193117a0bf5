"""Reports of a clip that was uploaded as an asset: outputAssetId of updateScene."""

from collections.abc import Sequence
from typing import Any

from coordinator.commands import adoption, scene_inputs
from coordinator.commands.inputs import SceneEdit
from models.db.rows import SceneRow
from models.domain.access import EXTERNAL, SYSTEM
from models.domain.assets import AssetKind
from models.domain.errors import NotFound
from models.domain.lifecycle import SETTLED_SCENE, SceneStatus
from models.domain.rules import Problems
from models.reads import queries
from models.writes.change import Change

# The member of `take.made` with the asset that the clip of the take is made of.
ASSET_ID = "asset_id"


async def take_columns(
    change: Change, scene: SceneRow, status: SceneStatus, edit: SceneEdit, path: Sequence[str]
) -> dict[str, Any]:
    """Return the columns of the take that name the asset of a report; none without one, and for a repeated report.

    The asset cannot be deleted before this change is committed, nor afterwards until its clip is adopted. Raises
    NotFound for an asset that is not the job owner's or that the viewer does not see, and DomainErrors with what else
    speaks against the report.
    """
    asset_id, place = edit.get("output_asset_id"), [*path, "outputAssetId"]
    if asset_id is None:
        return {}
    is_repeated = await _is_repeated(change, scene, asset_id)
    problems = Problems()
    _check_report(problems, scene, status, edit, path)
    if not is_repeated:
        await _check_asset(change, problems, asset_id, place)
        if scene.status in SETTLED_SCENE:
            problems.add("The take is finished; regenerate the scene to make another.", place)
        elif adoption.is_running(scene):
            problems.add("The clip of this take is being fetched from elsewhere.", place)
    problems.check()
    if is_repeated:
        return {}
    # An address that was reported before gives way to the asset.
    columns: dict[str, Any] = {"output": None} if scene.output is not None else {}
    return columns | {"made": {ASSET_ID: asset_id}}


def _check_report(
    problems: Problems, scene: SceneRow, status: SceneStatus, edit: SceneEdit, path: Sequence[str]
) -> None:
    place = [*path, "outputAssetId"]
    if scene.provider != EXTERNAL:
        problems.add("Only clips of the provider external are adopted.", place)
    elif status is not SceneStatus.COMPLETED:
        problems.add("outputAssetId goes with the status COMPLETED.", place)
    if edit.get("output_url") is not None:
        problems.add("Give exactly one of outputUrl and outputAssetId.", place)
    if edit.get("adopt_output") is False:
        problems.add("The clip of an asset is always adopted.", [*path, "adoptOutput"])


async def _check_asset(change: Change, problems: Problems, asset_id: str, place: list[str]) -> None:
    asset = (await scene_inputs.owned_assets(change, [asset_id])).get(asset_id)
    if asset is None:
        raise NotFound("There is no such asset.", place, asset_id)
    if not asset.usable:
        state = "deleted" if asset.deleted_at is not None else asset.status.lower()
        problems.add(f"Only an asset that is ready can be a clip; this one is {state}.", place)
    elif asset.kind is not AssetKind.VIDEO:
        problems.add(f"A clip is an asset of the kind VIDEO; this one is {asset.kind}.", place)


async def _is_repeated(change: Change, scene: SceneRow, asset_id: str) -> bool:
    """Return whether the clip of the take is, or is being, made of this asset."""
    if not adoption.is_running(scene) and scene.output is None:
        return False
    takes = await queries.takes_by_id(await change.connection(), SYSTEM, [scene.take_id])
    take = takes.get(scene.take_id)
    return take is not None and (take.made or {}).get(ASSET_ID) == asset_id
