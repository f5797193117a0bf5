"""Whether the inputs of a scene can be had: assets and pictures of takes, all of the job's owner."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.db.asset_rows import AssetRow
from models.db.rows import TakeRow
from models.domain.assets import AssetKind
from models.domain.errors import DomainError, DomainErrors, Invalid, NotFound
from models.domain.lifecycle import SceneStatus
from models.reads import assets, queries
from models.writes.change import Change

Input = Mapping[str, Any]

# The kind of asset for each role.
_KINDS = {
    "FIRST_FRAME": AssetKind.IMAGE,
    "LAST_FRAME": AssetKind.IMAGE,
    "REFERENCE": AssetKind.IMAGE,
    "SOURCE_VIDEO": AssetKind.VIDEO,
    "REFERENCE_AUDIO": AssetKind.AUDIO,
}


async def check(change: Change, inputs: Sequence[Input], path: Sequence[str]) -> None:
    """Raise DomainErrors with every input that does not exist, is not the owner's, or gives no such file."""
    takes = await _takes(change, [each["take_id"] for each in inputs if "take_id" in each])
    owned = await owned_assets(change, [each["asset_id"] for each in inputs if "asset_id" in each])
    found: list[DomainError] = []
    for index, given in enumerate(inputs):
        if "take_id" in given:
            found += _problems_of_take(takes.get(given["take_id"]), given, [*path, str(index)])
        else:
            found += _problems_of_asset(owned.get(given["asset_id"]), given, [*path, str(index)])
    if found:
        raise DomainErrors(found)


async def _takes(change: Change, ids: Sequence[str]) -> dict[str, TakeRow]:
    """Return those of these takes that the viewer sees and that belong to the owner of the job.

    An administrator sees those of all owners, but a job must not show its owner the clips of others.
    """
    if not ids:
        return {}
    connection = await change.connection()
    takes = await queries.takes_by_id(connection, change.viewer, ids)
    jobs = await queries.jobs_by_id(connection, change.viewer, list({take.job_id for take in takes.values()}))
    owned = {job.id for job in jobs.values() if job.owner_id == change.job.owner_id}
    return {take.id: take for take in takes.values() if take.job_id in owned}


async def owned_assets(change: Change, ids: Sequence[str]) -> dict[str, AssetRow]:
    """Return those of these assets that the viewer sees and that belong to the owner of the job.

    They cannot be deleted before this change is committed.
    """
    if not ids:
        return {}
    found = await assets.locked_for_use(await change.connection(), change.viewer, ids)
    return {each.id: each for each in found.values() if each.owner_id == change.job.owner_id}


def _problems_of_asset(asset: AssetRow | None, given: Input, path: Sequence[str]) -> list[DomainError]:
    if asset is None:
        return [NotFound("There is no such asset.", [*path, "assetId"], given["asset_id"])]
    if not asset.usable:
        state = "deleted" if asset.deleted_at is not None else asset.status.lower()
        return [Invalid(f"Only an asset that is ready can be used; this one is {state}.", [*path, "assetId"])]
    required = _KINDS[given["role"]]
    if asset.kind is not required:
        message = f"An input of the role {given['role']} is an asset of the kind {required}; this one is {asset.kind}."
        return [Invalid(message, [*path, "assetId"])]
    return []


def _problems_of_take(take: TakeRow | None, given: Input, path: Sequence[str]) -> list[DomainError]:
    if take is None:
        return [NotFound("There is no such take.", [*path, "takeId"], given["take_id"])]
    output = take.output or {}
    if take.status is not SceneStatus.COMPLETED or "key" not in output:
        return [Invalid("The take has no clip on this server.", [*path, "takeId"])]
    seconds, duration = given.get("at_seconds"), output.get("duration_seconds")
    if seconds is not None and duration is not None and seconds > duration:
        return [Invalid(f"The clip of the take lasts {duration:g} seconds.", [*path, "atSeconds"])]
    return []
