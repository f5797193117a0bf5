"""The limit of reading: an ASGI program that answers the two measured queries, and nothing else.

    python -m bench.limits.reads DATABASE PORT

DATABASE is an SQLite file or the URL of a Postgres. There is no parser, no validation and no schema: two statements
with the selected columns, one dictionary display an object, orjson.
"""

import sqlite3
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from functools import cache
from typing import Any

import orjson
import uvicorn

from bench import asyncpg_driver

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JOBS = "SELECT id, title, status, version, created_at FROM job WHERE {owner} AND deleted_at IS NULL {order}"
ORDER = "ORDER BY created_at DESC, id DESC LIMIT 50"
SCENES = (
    "SELECT id, job_id, position, title, prompt, status, percentage, duration_seconds, attempts, version, created_at,"
    " updated_at FROM scene WHERE job_id {chosen} AND deleted_at IS NULL ORDER BY job_id, position"
)
ONE = (
    "SELECT id, title, status, version, created_at, updated_at, pending, processing, completed, failed, canceled,"
    " (SELECT coalesce(sum(high_water), 0.0) FROM scene WHERE job_id = job.id AND deleted_at IS NULL"
    " AND status <> 'COMPLETED') FROM job WHERE id = {id}"
)
Row = Any


class SqliteReads:
    """Reads of an SQLite file, on the event loop: each takes milliseconds."""

    def __init__(self, file: str) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
        self._jobs = JOBS.format(owner="owner_id = 'local'", order=ORDER)
        self._one = ONE.format(id="?")

    async def big_list(self) -> bytes:
        """The answer to the big list."""
        jobs = self._connection.execute(self._jobs).fetchall()
        ids = [job[0] for job in jobs]
        scenes = self._connection.execute(_scenes_of(len(ids)), ids).fetchall()
        return big_list(jobs, scenes, _instant_of_text)

    async def one_job(self, job_id: str) -> bytes:
        """The answer for one job."""
        return one_job(self._connection.execute(self._one, (job_id,)).fetchone(), _instant_of_text)


class PostgresReads:
    """Reads of a Postgres through asyncpg, with its prepared statements."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._jobs = JOBS.format(owner="owner_id = 'local'", order=ORDER)
        self._scenes = SCENES.format(chosen="= ANY($1)")
        self._one = ONE.format(id="$1")
        self._pool: Any = None

    async def big_list(self) -> bytes:
        """The answer to the big list."""
        pool = await self._opened()
        async with pool.acquire() as connection:
            jobs = await connection.fetch(self._jobs)
            scenes = await connection.fetch(self._scenes, [job[0] for job in jobs])
        return big_list(jobs, scenes, _instant)

    async def one_job(self, job_id: str) -> bytes:
        """The answer for one job."""
        pool = await self._opened()
        async with pool.acquire() as connection:
            return one_job(await connection.fetchrow(self._one, job_id), _instant)

    async def _opened(self) -> Any:
        if self._pool is None:
            self._pool = await asyncpg_driver.pool(self._url, 4)
        return self._pool


def big_list(jobs: list[Row], scenes: list[Row], instant: Callable[[Any], Any]) -> bytes:
    """Return the answer to the big list."""
    by_job: dict[str, list[dict[str, Any]]] = {job[0]: [] for job in jobs}
    for i, job, position, title, prompt, status, percentage, duration, attempts, version, created, updated in scenes:
        by_job[job].append(
            {
                "id": i,
                "jobId": job,
                "position": position,
                "title": title,
                "prompt": prompt,
                "status": status,
                "percentage": percentage,
                "durationSeconds": duration,
                "attempts": attempts,
                "version": version,
                "createdAt": instant(created),
                "updatedAt": instant(updated),
            }
        )
    nodes = [
        {
            "id": i,
            "title": title,
            "status": status,
            "version": version,
            "createdAt": instant(created),
            "scenes": {"nodes": by_job[i]},
        }
        for i, title, status, version, created in jobs
    ]
    return orjson.dumps({"data": {"jobs": {"nodes": nodes}}})


def one_job(row: Row, instant: Callable[[Any], Any]) -> bytes:
    """Return the answer for one job."""
    i, title, status, version, created, updated, pending, processing, completed, failed, canceled, high_water = row
    total = pending + processing + completed + failed + canceled
    done = 100.0 if completed == total else round(min(99.99, (100.0 * completed + high_water) / total), 2)
    progress = {
        "total": total,
        "pending": pending,
        "processing": processing,
        "completed": completed,
        "failed": failed,
        "canceled": canceled,
        "percentage": done if total else 0.0,
        "version": version,
        "updatedAt": instant(updated),
    }
    job = {"id": i, "title": title, "status": status, "version": version}
    job |= {"createdAt": instant(created), "updatedAt": instant(updated), "progress": progress}
    return orjson.dumps({"data": {"job": job}})


@cache
def _scenes_of(jobs: int) -> str:
    return SCENES.format(chosen=f"IN ({', '.join('?' * jobs)})")


def _instant_of_text(text: str) -> str:
    return f"{text[:10]}T{text[11:]}Z"


def _instant(value: datetime) -> datetime:
    return value


def application(reads: SqliteReads | PostgresReads) -> Any:
    """Return the ASGI program."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        request = orjson.loads((await receive())["body"])
        variables = request.get("variables")
        content = await (reads.one_job(variables["id"]) if variables else reads.big_list())
        length = str(len(content)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return answer


if __name__ == "__main__":
    _, database, port = sys.argv
    chosen = PostgresReads(database) if "://" in database else SqliteReads(database)
    uvicorn.run(application(chosen), port=int(port), log_level="error", access_log=False, lifespan="off")
