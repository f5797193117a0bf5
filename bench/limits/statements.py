"""The statements of updateScene and of createJob by hand, on SQLite and on Postgres."""

import asyncio
import random
import sqlite3
import time
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from typeid import TypeID

from bench import asyncpg_driver

BUMP = "UPDATE job SET version = version + 1, updated_at = {now} WHERE id = {job} RETURNING version, owner_id"
SCENE = (
    "SELECT scene.*, take.output, take.poster, take.preview FROM scene JOIN take ON take.id = scene.take_id "
    "WHERE scene.id = {scene} AND scene.job_id = {job}"
)
CHANGE = "UPDATE scene SET title = {title}, version = {version}, updated_at = {now} WHERE id = {scene}"
EVENT = (
    "INSERT INTO event (job_id, version, type, scene_id, actor_id, changed, occurred_at) "
    "VALUES ({job}, {version}, {kind}, {scene}, 'local', {changed}, {now})"
)
AUDIT = (
    "INSERT INTO audit (id, at, actor_id, action, object_id, result, request_id) "
    "VALUES ({entry}, {now}, 'local', {action}, {object}, 'OK', {request})"
)
WEBHOOKS = "SELECT id, events FROM webhook WHERE ((owner_id = 'local' AND job_id IS NULL) OR job_id = {job}) AND active"
JOB_OF_SCENE = "SELECT job_id FROM scene WHERE id = {scene}"
NEW_JOB = (
    "INSERT INTO job (id, owner_id, title, title_folded, provider, metadata, version, status, pending, processing, "
    "completed, failed, canceled, retrying, composition_version, created_at, updated_at) VALUES "
    "({job}, 'local', {title}, {folded}, 'external', '{{}}', 1, 'PENDING', {pending}, 0, 0, 0, 0, 0, 0, {now}, {now})"
)
NEW_SCENE = (
    "INSERT INTO scene (id, job_id, position, title, prompt, duration_seconds, status, take_id, take_number, "
    "newest_take, run, high_water, attempts, max_attempts, priority, metadata, version, created_at, updated_at) VALUES "
    "({scene}, {job}, {position}, {title}, {prompt}, {duration}, 'PENDING', {take}, 1, 1, 0, 0.0, 0, 3, 0, '{{}}', 1, "
    "{now}, {now})"
)
NEW_TAKE = (
    "INSERT INTO take (id, scene_id, job_id, number, reason, prompt, status, provider, created_at) VALUES "
    "({take}, {scene}, {job}, 1, 'INITIAL', {prompt}, 'PENDING', 'external', {now})"
)

Json = dict[str, Any]


class Changed(Protocol):
    """What a change answers."""

    job_id: str
    version: int


class Statement:
    """A statement with named parameters, in the style of a driver."""

    def __init__(self, text: str, *, numbered: bool) -> None:
        self._names: list[str] = []
        self._numbered = numbered
        self.text = text.format_map(self)

    def __getitem__(self, name: str) -> str:
        if self._numbered and name in self._names:
            return f"${self._names.index(name) + 1}"
        self._names.append(name)
        return f"${len(self._names)}" if self._numbered else "?"

    def values(self, **given: Any) -> list[Any]:
        """Return the parameters in their order."""
        return [given[name] for name in self._names]


ALL = (BUMP, SCENE, CHANGE, EVENT, AUDIT, WEBHOOKS, JOB_OF_SCENE, NEW_JOB, NEW_SCENE, NEW_TAKE)


class SqliteWrites:
    """Changes of an SQLite file, with the pragmas of the server."""

    def __init__(self, file: str) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=full", "foreign_keys=ON", "busy_timeout=10000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._all = {text: Statement(text, numbered=False) for text in ALL}

    async def update_scene(self, scene: str, title: str) -> Json:
        """Change the title of a scene, and append the event."""
        (job,) = self._run(JOB_OF_SCENE, scene=scene)
        self._connection.execute("BEGIN IMMEDIATE")
        now = datetime.now(UTC)
        shared = {"scene": scene, "job": job[0], "title": title, "now": now.strftime("%Y-%m-%d %H:%M:%S.%f")}
        (bumped,) = self._run(BUMP, **shared)
        self._run(SCENE, **shared)
        shared["version"] = bumped[0]
        self._run(CHANGE, **shared)
        self._run(EVENT, kind="SCENE_UPDATED", changed='["title"]', **shared)
        self._run(AUDIT, **audited("updateScene", scene), **shared)
        self._run(WEBHOOKS, **shared)
        self._connection.execute("COMMIT")
        return updated(scene, job[0], title, bumped[0], now)

    async def create_job(self, given: Json) -> Json:
        """Insert a job with its scenes and takes, and the event."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        job, scenes = new_rows(given, now)
        self._connection.execute("BEGIN IMMEDIATE")
        self._run(NEW_JOB, **job)
        for text in (NEW_SCENE, NEW_TAKE):
            statement = self._all[text]
            self._connection.executemany(statement.text, [statement.values(**scene) for scene in scenes])
        self._run(EVENT, **job, version=1, kind="JOB_CREATED", scene=None, changed='["title", "scenes"]')
        self._run(AUDIT, **audited("createJob", job["job"]), **job)
        self._run(WEBHOOKS, **job)
        self._connection.execute("COMMIT")
        return created(job["job"])

    def _run(self, text: str, **given: Any) -> list[Any]:
        statement = self._all[text]
        return self._connection.execute(statement.text, statement.values(**given)).fetchall()


class PostgresWrites:
    """Changes of a Postgres through asyncpg."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self._all = {text: Statement(text, numbered=True) for text in ALL}

    async def update_scene(self, scene: str, title: str) -> Json:
        """Change the title of a scene, and append the event."""
        now = datetime.now(UTC)
        async with (await self._opened()).acquire() as connection:
            job = (await self._run(connection, JOB_OF_SCENE, scene=scene))[0][0]
            async with connection.transaction():
                shared: Json = {"scene": scene, "job": job, "title": title, "now": now}
                shared["version"] = (await self._run(connection, BUMP, **shared))[0][0]
                await self._run(connection, SCENE, **shared)
                await self._run(connection, CHANGE, **shared)
                await self._run(connection, EVENT, kind="SCENE_UPDATED", changed='["title"]', **shared)
                await self._run(connection, AUDIT, **audited("updateScene", scene), **shared)
                await self._run(connection, WEBHOOKS, **shared)
        return updated(scene, job, title, shared["version"], now)

    async def create_job(self, given: Json) -> Json:
        """Insert a job with its scenes and takes, and the event."""
        job, scenes = new_rows(given, datetime.now(UTC))
        async with (await self._opened()).acquire() as connection, connection.transaction():
            await self._run(connection, NEW_JOB, **job)
            for text in (NEW_SCENE, NEW_TAKE):
                statement = self._all[text]
                await connection.executemany(statement.text, [statement.values(**scene) for scene in scenes])
            event: Json = {**job, "version": 1, "kind": "JOB_CREATED", "scene": None}
            await self._run(connection, EVENT, **event, changed='["title", "scenes"]')
            await self._run(connection, AUDIT, **audited("createJob", job["job"]), **job)
            await self._run(connection, WEBHOOKS, **job)
        return created(job["job"])

    async def _run(self, connection: Any, text: str, **given: Any) -> list[Any]:
        statement = self._all[text]
        return await connection.fetch(statement.text, *statement.values(**given))

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg_driver.pool(self._url, 8)
        return self._pool


def writes_of(database: str) -> SqliteWrites | PostgresWrites:
    """Return the writes of an SQLite file or of the URL of a Postgres."""
    return PostgresWrites(database) if "://" in database else SqliteWrites(database)


def new_rows(given: Json, now: Any) -> tuple[Json, list[Json]]:
    """Return the parameters of a new job, and of each of its scenes with its take."""
    job_id = str(TypeID(prefix="job"))
    scenes = [
        {
            "scene": str(TypeID(prefix="scene")),
            "take": str(TypeID(prefix="take")),
            "job": job_id,
            "position": position,
            "title": scene["title"],
            "prompt": scene["prompt"],
            "duration": scene["durationSeconds"],
            "now": now,
        }
        for position, scene in enumerate(given["scenes"])
    ]
    title = given["title"]
    return {"job": job_id, "title": title, "folded": title.lower(), "pending": len(scenes), "now": now}, scenes


def audited(action: str, object_id: str) -> Json:
    """Return the parameters of the entry that the server writes with each change, beside those of the change."""
    request = f"{random.getrandbits(64):016x}"
    return {"entry": str(TypeID(prefix="audit")), "action": action, "object": object_id, "request": request}


def updated(scene: str, job: str, title: str, version: int, now: datetime) -> Json:
    """Return the payload of updateScene, with the job beside it."""
    row = {"id": scene, "title": title, "version": version, "updatedAt": now.isoformat()}
    return {"job": job, "scene": row, "seconds": time.time()}


def created(job_id: str) -> Json:
    """Return the payload of createJob."""
    return {"job": {"id": job_id, "version": 1, "status": "PENDING"}, "errors": []}


def answer_of(name: str, payload: Json) -> bytes:
    """Return the whole answer of a mutation."""
    if name == "updateScene":
        payload = {"scene": payload["scene"], "errors": []}
    return orjson.dumps({"data": {name: payload}})
