"""Workers that are killed, and frozen for longer than their lease: every take is recorded once, by whoever holds it."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from models import queries
from models.access import SYSTEM
from models.lifecycle import SceneStatus
from models.rows import EventRow, SceneRow, TakeRow
from tests.faults.deployment import Deployment, client_of, deployed
from tests.harness.client import Client, Json
from tests.harness.process import ServerProcess
from tests.live import jobs

SCENES_A_JOB = 20
# How long a takeover may last beyond the lease.
GRACE_SECONDS = 5.0
LONGEST_START_SECONDS = 30.0


class Size(NamedTuple):
    """How much is rendered, by how many, how often they come to harm, and how long a lease and a render last."""

    scenes: int
    workers: int
    kills: int
    freezes: int
    lease_seconds: float
    render_seconds: float


class Outcome(NamedTuple):
    """What was measured: seconds, and how many."""

    seconds: float
    longest_unattended: float
    takes: int
    taken_over: int


async def run(folder: Path, database_url: str, size: Size, chance: random.Random) -> Outcome:
    """Render many scenes on workers that come to harm, and look at what was recorded."""
    settings = {"lease_seconds": size.lease_seconds, "render_concurrency": 4, "retry_first_seconds": 0.2}
    async with deployed(folder, database_url, **settings) as deployment:
        api = await deployment.api()
        workers = await deployment.workers(size.workers, module="tests.faults.twice")
        async with client_of(api) as client:
            began = time.monotonic()
            made = [await make(client, count, size, chance) for count in portions(size.scenes)]
            watch = asyncio.create_task(longest_unattended(deployment))
            meddling = asyncio.create_task(meddle(client, made, chance))
            await harm(deployment, workers, size, chance)
            meddling.cancel()
            statuses = await asyncio.gather(*(settled(client, each, size) for each in made))
            seconds = time.monotonic() - began
            watch.cancel()
            await asyncio.wait([watch, meddling])
        unattended = watch.result()
        assert set(statuses) <= {"COMPLETED", "CANCELED"}, statuses
        assert unattended <= size.lease_seconds + GRACE_SECONDS, f"a scene was left alone for {unattended:.1f} s"
        takes, taken_over = 0, 0
        for each in made:
            log, scenes, taken = await record_of(deployment, each.id)
            check_record(log, scenes, taken)
            takes += sum(len(some) for some in taken.values())
            taken_over += sum(scene.run for scene in scenes) - sum(event.type == "SCENE_STARTED" for event in log)
        said = "".join(worker.log.read_text() for worker in workers)
        assert "recorded twice" not in said
        left = await deployment.rows("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")
        assert left[0][0] == 0, "tickets of settled jobs were left"
        assert 2 * taken_over >= size.kills + size.freezes, "too little was done"
    return Outcome(seconds, unattended, takes, taken_over)


async def make(client: Client, scenes: int, size: Size, chance: random.Random) -> jobs.Made:
    """A started job; in one of five cases a scene takes two attempts."""

    def scene() -> Json:
        seconds = size.render_seconds * chance.uniform(0.5, 1.5)
        return jobs.scene(steps=10, stepSeconds=seconds / 10, failTakes=int(chance.random() < 0.2))

    return await jobs.make(client, *(scene() for _ in range(scenes)), start=True)


async def settled(client: Client, made: jobs.Made, size: Size) -> str:
    """The status of a job that has come to rest."""
    seconds = 30.0 + 10 * size.render_seconds + size.scenes * size.render_seconds / size.workers
    await jobs.until(lambda: is_settled(client, made.id), seconds)
    return (await jobs.job(client, made.id, "status"))["status"]


async def is_settled(client: Client, job_id: str) -> bool:
    """Whether nothing of a job is waiting or running."""
    await asyncio.sleep(0.2)
    return (await jobs.job(client, job_id, "status"))["status"] not in ("PENDING", "PROCESSING")


def portions(scenes: int) -> list[int]:
    """So many scenes as jobs."""
    return [min(SCENES_A_JOB, scenes - first) for first in range(0, scenes, SCENES_A_JOB)]


async def harm(deployment: Deployment, workers: list[ServerProcess], size: Size, chance: random.Random) -> None:
    """Kill and freeze one worker after another, while the others go on."""
    acts = ["kill"] * size.kills + ["freeze"] * size.freezes
    chance.shuffle(acts)
    for act in acts:
        await all_busy(deployment, size)
        worker = chance.choice(workers)
        if act == "kill":
            worker.kill()
            await asyncio.sleep(chance.uniform(0, 1.0))
            await deployment.again(worker)
        else:
            worker.send(signal.SIGSTOP)
            await asyncio.sleep(size.lease_seconds + chance.uniform(0.5, 2.0))
            worker.send(signal.SIGCONT)
            await asyncio.sleep(chance.uniform(0, 0.5))


async def all_busy(deployment: Deployment, size: Size) -> None:
    """Until every worker renders something, or there is not enough left to do."""
    query = """SELECT count(DISTINCT worker), count(*) FILTER (WHERE status = 'PENDING') FROM scene
        WHERE status = 'PENDING' OR status = 'PROCESSING' AND heartbeat_at > now() - interval '1 second'"""
    async with asyncio.timeout(LONGEST_START_SECONDS):
        while True:
            ((busy, waiting),) = await deployment.rows(query)
            if busy == size.workers or not waiting:
                return
            await asyncio.sleep(0.05)


async def meddle(client: Client, made: list[jobs.Made], chance: random.Random) -> None:
    """Cancel scenes that run and have them made anew: what was under way for them must not count."""
    while True:
        await asyncio.sleep(0.5)
        scene = chance.choice(chance.choice(made).scenes)
        payload = await client.mutate("cancelScene", "errors { code }", sceneId=scene)
        if not payload["errors"]:
            await asyncio.sleep(chance.uniform(0, 0.6))
            await client.mutate("regenerateScene", "errors { code }", sceneId=scene)


async def longest_unattended(deployment: Deployment) -> float:
    """Watch until cancelled how long scenes go on without a sign of life; answers the longest, in seconds."""
    longest = 0.0
    query = """SELECT coalesce(max(extract(epoch FROM now() - heartbeat_at)), 0) FROM scene
        WHERE status = 'PROCESSING' AND worker IS NOT NULL"""
    try:
        while True:
            ((age,),) = await deployment.rows(query)
            longest = max(longest, float(age))
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return longest


async def record_of(
    deployment: Deployment, job_id: str
) -> tuple[list[EventRow], list[SceneRow], dict[str, list[TakeRow]]]:
    """All that was recorded of a job: its log, its scenes and their takes, newest first."""
    async with deployment.store.read() as connection:
        log = await queries.events_after(connection, job_id, 0, 1_000_000)
        ids = {event.scene_id for event in log if event.scene_id is not None}
        scenes = await queries.scenes_by_id(connection, SYSTEM, [*ids])
        takes = await queries.takes_of_scenes(connection, [*ids], 1_000)
    return log, list(scenes.values()), takes


def check_record(log: list[EventRow], scenes: list[SceneRow], takes: dict[str, list[TakeRow]]) -> None:
    """The log has no hole; each take was started and ended at most once; each clip is of the take it is recorded at."""
    assert [event.version for event in log] == list(range(1, len(log) + 1))
    for scene in scenes:
        told = Counter(event.type.value for event in log if event.scene_id == scene.id)
        mine = takes[scene.id]
        completed = [take for take in mine if take.status is SceneStatus.COMPLETED]
        failed = [take for take in mine if take.status is SceneStatus.FAILED]
        canceled = [take for take in mine if take.status is SceneStatus.CANCELED]
        assert len(mine) == len(completed) + len(failed) + len(canceled), "a take was left open"
        assert told["SCENE_COMPLETED"] == len(completed)
        assert told["SCENE_RETRYING"] + told["SCENE_FAILED"] == len(failed)
        assert told["SCENE_CANCELED"] == len(canceled)
        assert told["SCENE_STARTED"] == sum(take.started_at is not None for take in mine)
        assert told["SCENE_REGENERATED"] + told["SCENE_RETRYING"] == len(mine) - 1
        for take in mine:
            clip = take.output
            assert (clip is not None) == (take.status is SceneStatus.COMPLETED), "a stale clip was accepted"
            assert clip is None or take.id in clip["key"], "a clip was recorded at another take"
