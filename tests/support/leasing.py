"""Leased workers as tests play them: they claim takes, upload clips and report over GraphQL."""

import time
from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from models.db import clock
from models.db.lease_tables import LINE_JOB
from models.db.tables import JOB, SCENE, TAKE
from models.db.turn_tables import JOB_TURN
from models.domain import ids
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.factories import accepted
from tests.support.server_app import App
from tests.support.waiting import TIMEOUT_SECONDS

LEASE = """token prompt durationSeconds expiresAt take { id number status providerId }
scene { id status attempts jobId } worker { id name } settings { model seed aspectRatio } inputs { role name }
files { role name media { url } } clip { method url headers { name value } resumable maxBytes }"""
ENDED = "lease { token } scene { id status percentage }"


async def a_leased_job(client: Client, scenes: int = 1, **fields: Any) -> jobs.Made:
    """Make a started job for leased workers, with scenes of a second."""
    new = [{"prompt": f"Scene {number}", "durationSeconds": 1.0} for number in range(scenes)]
    return await jobs.make(client, *new, **{"provider": "leased", "start": True, **fields})


async def claim(client: Client, name: str = "gpu", *models: str, **fields: Any) -> Json:
    """Claim takes without waiting, as a worker with these models. Return the payload."""
    worker: Json = {"name": name, "models": list(models) or ["wan"], **fields.pop("worker", {})}
    selection = f"leases {{ {LEASE} }} passedOver {{ reason takes }}"
    return await accepted(client, "claimTakes", selection, **{"worker": worker, "waitSeconds": 0, **fields})


async def a_lease(client: Client, name: str = "gpu", *models: str, **fields: Any) -> Json:
    """Claim one take that must be there. With `waitSeconds` it may come later: ask again, as workers do."""
    give_up_at = time.monotonic() + TIMEOUT_SECONDS
    while True:
        leases = (await claim(client, name, *models, **fields))["leases"]
        if leases or not fields.get("waitSeconds") or time.monotonic() > give_up_at:
            break
    (lease,) = leases
    return lease


async def upload(client: Client, lease: Json, clip: bytes) -> None:
    """Upload the clip of a lease."""
    target = lease["clip"]
    headers = {header["name"]: header["value"] for header in target["headers"]}
    # The public address of the server is not the one at which the test reaches it.
    path = "/" + str(target["url"]).split("/", 3)[3]
    answer: httpx.Response = await client.http.request(target["method"], path, content=clip, headers=headers)
    assert answer.is_success, answer.text


async def finish(client: Client, lease: Json, clip: bytes, **fields: Any) -> Json:
    """Upload the clip of a lease, and finish its take. Return the payload."""
    await upload(client, lease, clip)
    return await accepted(client, "finishTake", ENDED, token=lease["token"], **fields)


async def lost(client: Client, lease: Json) -> list[str]:
    """Use a lease in every way. Return the code of each refusal."""
    token, failure = lease["token"], {"code": "X", "message": "Mine"}
    uses: list[tuple[str, Json]] = [
        ("renewLease", {"percentage": 99}),
        ("renewLease", {"providerId": "mine"}),
        ("finishTake", {"seed": 1}),
        ("failTake", {"failure": failure}),
        ("releaseTake", {}),
    ]
    codes: list[str] = []
    for name, fields in uses:
        payload = await client.mutate(name, f"{ENDED} errors {{ code path }}", token=token, **fields)
        assert (payload["lease"], payload["scene"]) == (None, None)
        (error,) = payload["errors"]
        assert error["path"] == ["input", "token"]
        codes.append(error["code"])
    return codes


async def end_leases(app: App, *scene_ids: str, ago: timedelta = timedelta(seconds=1)) -> None:
    """Let the leases of scenes have ended this long ago, as the clock of the database shows it."""
    async with app.container.store.write() as connection:
        instant = await clock.current(connection)
        ended = sa.update(SCENE).where(SCENE.c.id.in_(scene_ids)).values(lease_expires_at=instant - ago)
        await connection.execute(ended)


async def add_waiting(app: App, made: jobs.Made, number: int, scenes: int) -> None:
    """Add jobs like this one, whose takes wait for leased workers, each with this many scenes; all are of one owner."""
    async with app.container.store.write() as connection:

        async def row(table: sa.Table, condition: sa.ColumnElement[bool]) -> Json:
            return dict((await connection.execute(sa.select(table).where(condition))).mappings().one())

        job, scene = await row(JOB, JOB.c.id == made.id), await row(SCENE, SCENE.c.id == made.scenes[0])
        take = await row(TAKE, TAKE.c.id == scene["take_id"])
        turn, line = (
            await row(JOB_TURN, JOB_TURN.c.job_id == made.id),
            await row(LINE_JOB, LINE_JOB.c.job_id == made.id),
        )
        rows: dict[sa.Table, list[Json]] = {table: [] for table in (JOB, SCENE, TAKE, JOB_TURN, LINE_JOB)}
        for _ in range(number):
            job_id = ids.new("job")
            rows[JOB].append(job | {"id": job_id, "pending": scenes})
            rows[JOB_TURN].append(turn | {"job_id": job_id})
            rows[LINE_JOB].append(line | {"job_id": job_id})
            for position in range(scenes):
                of_job = {"id": ids.new("scene"), "job_id": job_id, "take_id": ids.new("take"), "position": position}
                rows[SCENE].append(scene | of_job)
                rows[TAKE].append(take | {"id": of_job["take_id"], "job_id": job_id, "scene_id": of_job["id"]})
        for table, added in rows.items():
            await connection.execute(sa.insert(table), added)
