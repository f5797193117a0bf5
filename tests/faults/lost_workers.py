"""Workers are killed, or frozen for longer than their lease: the lease holder records each take once."""

import asyncio
import random
import re
import signal
import time
from pathlib import Path
from typing import NamedTuple

from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.recorded_takes import check_record, record_of
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

SCENES_PER_JOB = 4
SLOTS = 4
# The share of slots in use; a takeover needs free ones.
SLOTS_USED = 0.7


class Size(NamedTuple):
    """The least number of scenes, the numbers of workers and faults, the length of a lease and of a render."""

    scenes: int
    workers: int
    kills: int
    freezes: int
    lease_seconds: float
    render_seconds: float


class Takeover(NamedTuple):
    """The seconds from a fault until other workers had every render of the worker, and the number of those renders.

    Renders that were canceled meanwhile are not counted.
    """

    seconds: float
    renders: int


class Outcome(NamedTuple):
    """The slowest takeover in seconds after the fault, and the numbers of scenes, takes and takeovers.

    On an idle machine a takeover follows the end of the lease within 5 s.
    """

    slowest_takeover: float
    scenes: int
    takes: int
    taken_over: int


async def run(folder: Path, database_url: str, size: Size, randomness: random.Random) -> Outcome:
    """Render scenes on faulty workers, and check what was recorded."""
    settings = {"lease_seconds": size.lease_seconds, "render_concurrency": SLOTS, "retry_first_seconds": 0.2}
    async with deployed(folder, database_url, **settings) as deployment:
        api = await deployment.api()
        workers = await deployment.workers(size.workers, module="tests.faults.duplicate_results")
        async with client_of(api) as client:
            made: list[jobs.Made] = []
            injecting = asyncio.create_task(inject(deployment, workers, size, randomness))
            interfering = asyncio.create_task(interfere(client, made, randomness))
            await feed(deployment, client, made, size, randomness, injecting)
            takeovers = await injecting
            interfering.cancel()
            statuses = [await settled(client, each, size) for each in made]
            await asyncio.wait([interfering])
        assert set(statuses) <= {"COMPLETED", "CANCELED"}, statuses
        takes = 0
        for each in made:
            log, scenes, taken = await record_of(deployment.store, each.id)
            check_record(log, scenes, taken)
            takes += sum(len(some) for some in taken.values())
        assert not [worker for worker in workers if "was recorded twice" in worker.log.read_text()]
        await no_tickets_left(deployment, size)
    slowest, taken_over = max(each.seconds for each in takeovers), sum(each.renders for each in takeovers)
    return Outcome(slowest, sum(len(each.scenes) for each in made), takes, taken_over)


async def feed(
    deployment: Deployment,
    client: Client,
    made: list[jobs.Made],
    size: Size,
    randomness: random.Random,
    injecting: "asyncio.Task[list[Takeover]]",
) -> None:
    """Start jobs as fast as they are rendered, with some slots free, until all faults were injected."""

    def scene() -> Json:
        seconds = size.render_seconds * randomness.uniform(0.5, 1.5)
        return jobs.scene(steps=10, stepSeconds=seconds / 10, failTakes=int(randomness.random() < 0.2))

    while SCENES_PER_JOB * len(made) < size.scenes or not injecting.done():
        ((opened,),) = await deployment.rows("SELECT count(*) FROM scene WHERE status IN ('PENDING', 'PROCESSING')")
        if opened + SCENES_PER_JOB <= SLOTS_USED * SLOTS * size.workers:
            made.append(await jobs.make(client, *(scene() for _ in range(SCENES_PER_JOB)), start=True))
        else:
            await asyncio.sleep(0.1)


async def settled(client: Client, made: jobs.Made, size: Size) -> str:
    """Wait until a job is settled; return its status."""
    await eventually(lambda: is_settled(client, made.id), TIMEOUT_SECONDS + 10 * size.render_seconds)
    return (await jobs.job(client, made.id, "status"))["status"]


async def is_settled(client: Client, job_id: str) -> bool:
    """Whether a job has no open scene."""
    await asyncio.sleep(0.1)
    return (await jobs.job(client, job_id, "status"))["status"] not in ("PENDING", "PROCESSING")


async def inject(
    deployment: Deployment, workers: list[ServerProcess], size: Size, randomness: random.Random
) -> list[Takeover]:
    """Kill and freeze one worker after another, at least until a render was taken over."""
    kinds = ["kill"] * size.kills + ["freeze"] * size.freezes
    randomness.shuffle(kinds)
    takeovers = [await fail(deployment, workers, kind, size, randomness) for kind in kinds]
    while not any(each.renders for each in takeovers):
        takeovers.append(await fail(deployment, workers, kinds[0], size, randomness))
    return takeovers


async def fail(
    deployment: Deployment, workers: list[ServerProcess], kind: str, size: Size, randomness: random.Random
) -> Takeover:
    """Kill or freeze a worker, wait for the takeover of its renders, and let it continue."""
    await all_busy(deployment, size)
    victim = randomness.choice(workers)
    if kind == "kill":
        victim.kill()
    else:
        victim.send(signal.SIGSTOP)
    failed_at = time.monotonic()
    restarts_early = kind == "kill" and randomness.random() < 0.5
    starting = asyncio.create_task(deployment.again(victim)) if restarts_early else None
    name = re.findall(r"claims as (\w+)", victim.log.read_text())[-1]
    takeover = await wait_for_takeover(deployment, name, failed_at, size)
    if kind == "freeze":
        await asyncio.sleep(failed_at + size.lease_seconds + randomness.uniform(0.5, 2.0) - time.monotonic())
        victim.send(signal.SIGCONT)
    else:
        await (starting or deployment.again(victim))
    return takeover


async def wait_for_takeover(deployment: Deployment, worker: str, failed_at: float, size: Size) -> Takeover:
    """Wait until a worker has no lease any more."""
    leased = "SELECT id, take_number, run FROM scene WHERE status = 'PROCESSING' AND leased_by = $1"
    before = await deployment.rows(leased, worker)

    async def has_no_lease() -> bool:
        return not await deployment.rows(leased, worker)

    await eventually(has_no_lease, size.lease_seconds + TIMEOUT_SECONDS)
    seconds = time.monotonic() - failed_at
    taken_over = "SELECT count(*) FROM scene WHERE id = $1 AND take_number = $2 AND run > $3"
    renders = [(await deployment.rows(taken_over, *row))[0][0] for row in before]
    return Takeover(seconds, sum(renders))


async def all_busy(deployment: Deployment, size: Size) -> None:
    """Wait until every worker has a render."""
    query = """SELECT count(DISTINCT leased_by) FROM scene
        WHERE status = 'PROCESSING' AND lease_expires_at > now() + interval '1 second' * ($1::float - 1)"""

    async def busy() -> bool:
        return (await deployment.rows(query, size.lease_seconds))[0][0] == size.workers

    await eventually(busy)


async def no_tickets_left(deployment: Deployment, size: Size) -> None:
    """Wait until every ticket is finished; those of lost workers are taken over after their lease."""

    async def is_empty() -> bool:
        return (await deployment.rows("SELECT count(*) FROM pgqueuer"))[0][0] == 0

    await eventually(is_empty, size.lease_seconds + TIMEOUT_SECONDS)


async def interfere(client: Client, made: list[jobs.Made], randomness: random.Random) -> None:
    """Cancel and regenerate running scenes: results of their earlier takes must not be recorded."""
    while True:
        await asyncio.sleep(0.5)
        if not made:
            continue
        # Older jobs are settled.
        scene = randomness.choice(randomness.choice(made[-4:]).scenes)
        payload = await client.mutate("cancelScene", "errors { code }", sceneId=scene)
        if not payload["errors"]:
            await asyncio.sleep(randomness.uniform(0, 0.6))
            await client.mutate("regenerateScene", "errors { code }", sceneId=scene)
