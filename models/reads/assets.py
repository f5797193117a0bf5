"""The SELECTs of assets and uploads; those of assets are scoped by the viewer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from models.db.asset_rows import ASSET_COLUMNS, UPLOAD_COLUMNS, AssetRow, UploadRow
from models.db.asset_tables import ASSET, UPLOAD
from models.db.database import Connection
from models.db.tables import JOB, SCENE, SCENE_INPUT, TAKE
from models.domain.access import EXTERNAL, Viewer
from models.domain.assets import AssetKind, AssetStatus
from models.domain.folding import search_patterns
from models.domain.ids import is_id
from models.domain.lifecycle import SceneStatus
from models.domain.paging import Beyond, Page, Window, page
from models.reads import shapes
from models.reads.cursors import instant_position
from models.reads.list_shapes import ESCAPE
from models.reads.listing import contains
from models.reads.queries import Condition
from models.reads.queries import visible as visible_job

# The name of the order in a cursor of assets.
ASSET_ORDER = "ASSET_CREATED_AT"


@dataclass(frozen=True, slots=True)
class AssetQuery:
    """The filter of a list of assets."""

    kinds: tuple[AssetKind, ...] | None = None
    search: str | None = None
    include_deleted: bool = False


def visible(viewer: Viewer) -> Condition:
    """Return the condition that an asset is visible: the only place that scopes reads of assets.

    An access token shows those that the inputs of its jobs name.
    """
    if viewer.scope is not None:
        return ASSET.c.id.in_(_named_by_inputs(viewer))
    return sa.true() if viewer.sees_all else ASSET.c.owner_id == viewer.id


def _named_by_inputs(viewer: Viewer) -> sa.Select[str]:
    """Select the assets that the inputs of visible jobs name, deleted scenes included."""
    joined = SCENE_INPUT.join(SCENE, SCENE.c.id == SCENE_INPUT.c.scene_id).join(JOB, JOB.c.id == SCENE.c.job_id)
    select = sa.select(SCENE_INPUT.c.ref).select_from(joined).where(visible_job(viewer))
    scope = viewer.scope
    if scope is not None and scope.jobs is not None:
        # The condition alone is true of few jobs, but looks at all of them.
        select = select.where(JOB.c.id.in_(shapes.jobs_of_token(scope.token_id)))
    return select


async def assets_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, AssetRow]:
    """Return those of these assets that are visible, deleted ones included."""
    return await _by_id(connection, viewer, ids)


async def locked_for_use(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, AssetRow]:
    """Return those of these assets that are visible, and keep them as they are until the end of the transaction.

    For a change that stores references to them: an asset cannot be deleted while it checks that it is not.
    """
    return await _by_id(connection, viewer, ids, lock="share")


async def locked(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, AssetRow]:
    """Return those of these assets that are visible, to be changed in this transaction."""
    return await _by_id(connection, viewer, ids, lock="change")


async def _by_id(
    connection: Connection, viewer: Viewer, ids: Sequence[str], *, lock: Literal["share", "change"] | None = None
) -> dict[str, AssetRow]:
    proper = [each for each in ids if is_id(each, "asset")]
    if not proper:
        return {}
    query = sa.select(*ASSET_COLUMNS).where(ASSET.c.id.in_(proper), visible(viewer))
    if lock is not None:
        query = query.order_by(ASSET.c.id).with_for_update(read=lock == "share")
    return {row.id: row for row in await _rows(connection, query)}


def asset_key(asset: AssetRow) -> tuple[str, str, str]:
    """Return the key of an asset in its list, for a cursor."""
    return (ASSET_ORDER, asset.created_at.isoformat(), asset.id)


async def assets_page(connection: Connection, viewer: Viewer, query: AssetQuery, window: Window) -> Page[AssetRow]:
    """Return one page of the assets that match the query, newest first."""
    matching = _conditions(viewer, query)
    bounds = {side: instant_position(side, ASSET_ORDER, cursor) for side, cursor in _cursors(window)}
    within = [_key() < _tuple(bounds["after"])] if "after" in bounds else []
    within += [_key() > _tuple(bounds["before"])] if "before" in bounds else []
    order = (ASSET.c.created_at, ASSET.c.id) if window.backward else (ASSET.c.created_at.desc(), ASSET.c.id.desc())
    select = sa.select(*ASSET_COLUMNS).where(*matching, *within).order_by(*order)
    if window.limit is not None:
        select = select.limit(window.limit + 1)
    found = await _rows(connection, select)
    beyond = {
        side: await _exists(connection, matching, _key() >= _tuple(key) if side == "after" else _key() <= _tuple(key))
        for side, key in bounds.items()
    }
    return page(found, window, Beyond(**beyond))


async def assets_count(connection: Connection, viewer: Viewer, query: AssetQuery) -> int:
    """Return the number of assets that match the query."""
    count = sa.select(sa.func.count()).select_from(ASSET).where(*_conditions(viewer, query))
    return int((await connection.execute(count)).scalar_one())


async def with_content(connection: Connection, like: AssetRow) -> AssetRow | None:
    """Return a ready asset of the same owner, kind, type, size and hash; None when there is none."""
    query = (
        sa.select(*ASSET_COLUMNS)
        .where(
            ASSET.c.owner_id == like.owner_id,
            ASSET.c.sha256 == like.sha256,
            ASSET.c.kind == like.kind,
            ASSET.c.size_bytes == like.size_bytes,
            ASSET.c.content_type == like.content_type,
            ASSET.c.status == AssetStatus.READY,
            ASSET.c.deleted_at.is_(None),
        )
        .order_by(ASSET.c.id)
        .limit(1)
        # It must not be purged before the new asset, which refers to its files, is committed.
        .with_for_update(read=True)
    )
    return next(iter(await _rows(connection, query)), None)


async def waiting_of_owner(connection: Connection, owner_id: str) -> int:
    """Return the number of assets of an owner that wait for their bytes."""
    query = sa.select(sa.func.count()).where(
        ASSET.c.owner_id == owner_id, ASSET.c.status == AssetStatus.WAITING, ASSET.c.deleted_at.is_(None)
    )
    return (await connection.execute(query)).scalar_one()


async def is_used(connection: Connection, asset_id: str) -> bool:
    """Return whether the inputs of a live scene of a live job name the asset, or its file is becoming a clip."""
    used = (
        sa.select(sa.true())
        .select_from(
            SCENE_INPUT.join(SCENE, SCENE.c.id == SCENE_INPUT.c.scene_id).join(JOB, JOB.c.id == SCENE.c.job_id)
        )
        .where(SCENE_INPUT.c.ref == asset_id, SCENE.c.deleted_at.is_(None), JOB.c.deleted_at.is_(None))
    )
    if (await connection.execute(used.limit(1))).scalar() is not None:
        return True
    adopted = (
        sa.select(sa.true())
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id).join(TAKE, TAKE.c.id == SCENE.c.take_id))
        .where(
            SCENE.c.status == SceneStatus.PROCESSING,
            SCENE.c.leased_by.is_not(None),
            SCENE.c.deleted_at.is_(None),
            JOB.c.provider == EXTERNAL,
            TAKE.c.made["asset_id"].as_string() == asset_id,
        )
    )
    return (await connection.execute(adopted.limit(1))).scalar() is not None


async def upload(connection: Connection, upload_id: str, *, lock: bool = False) -> UploadRow | None:
    """Return an upload, whose signed address is its only protection; None when it is over."""
    if not is_id(upload_id, "upload"):
        return None
    query = sa.select(*UPLOAD_COLUMNS).where(UPLOAD.c.id == upload_id)
    if lock:
        query = query.with_for_update()
    found = (await connection.execute(query)).first()
    return None if found is None else UploadRow._make(found)


def _conditions(viewer: Viewer, query: AssetQuery) -> list[Condition]:
    conditions = [visible(viewer)]
    if not query.include_deleted:
        conditions.append(ASSET.c.deleted_at.is_(None))
    if query.kinds is not None:
        conditions.append(ASSET.c.kind.in_(query.kinds))
    if query.search:
        patterns = search_patterns(query.search)
        conditions.append(sa.or_(*(ASSET.c.name_folded.like(contains(each), escape=ESCAPE) for each in patterns)))
    return conditions


def _cursors(window: Window) -> list[tuple[str, tuple[str, ...]]]:
    sides = (("after", window.after), ("before", window.before))
    return [(side, cursor) for side, cursor in sides if cursor is not None]


def _key() -> sa.Tuple:
    return sa.tuple_(ASSET.c.created_at, ASSET.c.id)


def _tuple(key: tuple[datetime, str]) -> sa.Tuple:
    at, asset_id = key
    return sa.tuple_(sa.literal(at, ASSET.c.created_at.type), sa.literal(asset_id, ASSET.c.id.type))


async def _exists(connection: Connection, matching: Sequence[Condition], outside: Condition) -> bool:
    query = sa.select(sa.true()).select_from(ASSET).where(*matching, outside).limit(1)
    return (await connection.execute(query)).scalar() is not None


async def _rows(connection: Connection, query: sa.Select[*tuple[Any, ...]]) -> list[AssetRow]:
    return [AssetRow._make(row) for row in await connection.execute(query)]
