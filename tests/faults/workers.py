"""Workers that are killed, and frozen for longer than their lease: every take is recorded once, by whoever holds it."""

import asyncio
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from models.db.rows import EventRow, SceneRow, TakeRow
from models.domain.access import SYSTEM
from models.domain.lifecycle import SceneStatus
from models.reads import queries
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

SCENES_PER_JOB = 4
SLOTS = 4
# Of all slots: who takes over needs some.
SLOTS_USED = 0.7
# How long a takeover may last beyond the lease.
GRACE_SECONDS = 5.0
LONGEST_START_SECONDS = 30.0


class Size(NamedTuple):
    """How much is rendered at least, by how many, how often they come to harm; how long a lease and a render last."""

    scenes: int
    workers: int
    kills: int
    freezes: int
    lease_seconds: float
    render_seconds: float


class Outcome(NamedTuple):
    """What was measured: the slowest recovery in seconds, and how many."""

    slowest_recovery: float
    scenes: int
    takes: int
    taken_over: int


async def run(folder: Path, database_url: str, size: Size, chance: random.Random) -> Outcome:
    """Render many scenes on workers that come to harm, and look at what was recorded."""
    settings = {"lease_seconds": size.lease_seconds, "render_concurrency": SLOTS, "retry_first_seconds": 0.2}
    async with deployed(folder, database_url, **settings) as deployment:
        api = await deployment.api()
        workers = await deployment.workers(size.workers, module="tests.faults.twice")
        async with client_of(api) as client:
            made: list[jobs.Made] = []
            harming = asyncio.create_task(harm(deployment, workers, size, chance))
            meddling = asyncio.create_task(meddle(client, made, chance))
            await feed(deployment, client, made, size, chance, harming)
            recoveries = await harming
            meddling.cancel()
            statuses = [await settled(client, each, size) for each in made]
            await asyncio.wait([meddling])
        assert set(statuses) <= {"COMPLETED", "CANCELED"}, statuses
        takes, taken_over = 0, 0
        for each in made:
            log, scenes, taken = await record_of(deployment, each.id)
            check_record(log, scenes, taken)
            takes += sum(len(some) for some in taken.values())
            taken_over += sum(scene.run for scene in scenes) - sum(event.type == "SCENE_STARTED" for event in log)
        assert not [worker for worker in workers if "was recorded twice" in worker.log.read_text()]
        assert await left_over(deployment, size) == 0, "tickets of settled jobs were left"
        assert 2 * taken_over >= size.kills + size.freezes, "too little was done"
    return Outcome(max(recoveries), sum(len(each.scenes) for each in made), takes, taken_over)


async def feed(
    deployment: Deployment,
    client: Client,
    made: list[jobs.Made],
    size: Size,
    chance: random.Random,
    harming: "asyncio.Task[list[float]]",
) -> None:
    """Start jobs as fast as they are rendered, with some slots to spare, until enough was done to whoever renders."""

    def scene() -> Json:
        seconds = size.render_seconds * chance.uniform(0.5, 1.5)
        return jobs.scene(steps=10, stepSeconds=seconds / 10, failTakes=int(chance.random() < 0.2))

    while SCENES_PER_JOB * len(made) < size.scenes or not harming.done():
        ((opened,),) = await deployment.rows("SELECT count(*) FROM scene WHERE status IN ('PENDING', 'PROCESSING')")
        if opened + SCENES_PER_JOB <= SLOTS_USED * SLOTS * size.workers:
            made.append(await jobs.make(client, *(scene() for _ in range(SCENES_PER_JOB)), start=True))
        else:
            await asyncio.sleep(0.1)


async def settled(client: Client, made: jobs.Made, size: Size) -> str:
    """The status of a job that has come to rest."""
    await eventually(lambda: is_settled(client, made.id), 30.0 + 10 * size.render_seconds)
    return (await jobs.job(client, made.id, "status"))["status"]


async def is_settled(client: Client, job_id: str) -> bool:
    """Whether nothing of a job is waiting or running."""
    await asyncio.sleep(0.1)
    return (await jobs.job(client, job_id, "status"))["status"] not in ("PENDING", "PROCESSING")


async def harm(deployment: Deployment, workers: list[ServerProcess], size: Size, chance: random.Random) -> list[float]:
    """Kill and freeze one worker after another; answers how long it took others to take over what each had."""
    acts = ["kill"] * size.kills + ["freeze"] * size.freezes
    chance.shuffle(acts)
    recoveries: list[float] = []
    for act in acts:
        await all_busy(deployment, size)
        victim = chance.choice(workers)
        if act == "kill":
            victim.kill()
        else:
            victim.send(signal.SIGSTOP)
        harmed_at = time.monotonic()
        starting = asyncio.create_task(deployment.again(victim)) if act == "kill" and chance.random() < 0.5 else None
        name = re.findall(r"claims as (\w+)", victim.log.read_text())[-1]
        recoveries.append(await recovery(deployment, name, harmed_at, size))
        if act == "freeze":
            await asyncio.sleep(harmed_at + size.lease_seconds + chance.uniform(0.5, 2.0) - time.monotonic())
            victim.send(signal.SIGCONT)
        else:
            await (starting or deployment.again(victim))
    return recoveries


async def recovery(deployment: Deployment, worker: str, harmed_at: float, size: Size) -> float:
    """Wait until others have all that a worker had; answers how many seconds after the harm that was."""
    left = "SELECT count(*) FROM scene WHERE status = 'PROCESSING' AND leased_by = $1"
    while (await deployment.rows(left, worker))[0][0]:
        seconds = time.monotonic() - harmed_at
        assert seconds <= size.lease_seconds + GRACE_SECONDS, f"a scene was left alone for {seconds:.1f} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - harmed_at


async def all_busy(deployment: Deployment, size: Size) -> None:
    """Until every worker renders something."""
    query = """SELECT count(DISTINCT leased_by) FROM scene
        WHERE status = 'PROCESSING' AND lease_expires_at > now() + interval '1 second' * ($1::float - 1)"""

    async def busy() -> bool:
        return (await deployment.rows(query, size.lease_seconds))[0][0] == size.workers

    await eventually(busy, LONGEST_START_SECONDS)


async def left_over(deployment: Deployment, size: Size) -> int:
    """How many tickets are left when whoever held them is gone, or has said what became of them."""
    count = 0
    for _ in range(round(10 * (size.lease_seconds + GRACE_SECONDS))):
        ((count,),) = await deployment.rows("SELECT count(*) FROM pgqueuer")
        if not count:
            break
        await asyncio.sleep(0.1)
    return count


async def meddle(client: Client, made: list[jobs.Made], chance: random.Random) -> None:
    """Cancel scenes that run and have them made anew: what was under way for them must not count."""
    while True:
        await asyncio.sleep(0.5)
        if not made:
            continue
        # Older ones have settled.
        scene = chance.choice(chance.choice(made[-4:]).scenes)
        payload = await client.mutate("cancelScene", "errors { code }", sceneId=scene)
        if not payload["errors"]:
            await asyncio.sleep(chance.uniform(0, 0.6))
            await client.mutate("regenerateScene", "errors { code }", sceneId=scene)


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
