"""Leased workers are killed, or frozen for longer than their lease: each take is recorded once, by the last lease."""

import asyncio
import random
import signal
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from models.db import clock
from models.db.database import Database
from models.db.lease_tables import TAKE_LEASE, WORKER
from models.db.tables import SCENE
from models.domain.leases import Outcome as Ended
from models.writes.store import Store
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.clip_host import clip_bytes
from tests.support.delivered_files import PLAIN
from tests.support.example_workers import ExampleWorker, slow_copy
from tests.support.leasing import a_leased_job
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

# The shortest lease.
LEASE_SECONDS = 10
SCENES_PER_JOB = 4
SELECTION = "status scenes { nodes { status attempts output { url } takes { status } } } events(first: 100) { type }"


class Size(NamedTuple):
    """The numbers of workers, of kills and of freezes, and the bounds of the length of a render in seconds."""

    workers: int
    kills: int
    freezes: int
    render_seconds: tuple[float, float] = (1.0, 3.0)


class Outcome(NamedTuple):
    """The numbers of scenes, leases and lost leases, and of lost ones the slowest return to the queue and the slowest
    take-over, in seconds after the lease has expired.

    On an idle machine a take is back in the queue within 1 s, and taken over within 5 s: a worker has to be free.
    """

    slowest_return: float
    slowest_takeover: float
    scenes: int
    leases: int
    lost: int


class TakenOver(NamedTuple):
    """When a take was back in the queue and when it was taken over, in seconds after its lease has expired."""

    returned: float
    claimed: float


class Held(NamedTuple):
    """A lease that a worker held when it was lost."""

    scene_id: str
    run: int
    expires_at: datetime


def file_url(folder: Path) -> str:
    """Return the URL of a database file in the folder."""
    return f"sqlite+aiosqlite:///{folder / 'scenewire.db'}"


async def run(folder: Path, database_url: str, size: Size, randomness: random.Random) -> Outcome:
    """Render scenes on faulty workers, and check what was recorded."""
    clip = folder / "clip.mp4"
    clip.write_bytes(clip_bytes(folder, PLAIN))
    server = ServerProcess(
        folder, database_url=database_url, provider="leased", retry_first_seconds=0.2, max_attempts=20
    ).start()
    store, client = Store(Database(database_url)), Client(server.url)
    workers = [
        ExampleWorker(
            folder,
            server.url,
            f"gpu-{number}",
            *slow_copy(clip, randomness.uniform(*size.render_seconds)),
            LEASE_SECONDS=str(LEASE_SECONDS),
        ).start()
        for number in range(size.workers)
    ]
    made: list[jobs.Made] = []
    try:
        faults = asyncio.create_task(_faults(store, workers, size, randomness))
        while not faults.done():
            if await _waiting(store) < size.workers:
                made.append(await a_leased_job(client, SCENES_PER_JOB))
            await asyncio.sleep(0.2)
        takeovers = await faults
        for each in made:
            assert await jobs.settled(client, each.id) == "COMPLETED"
            await _check(client, each)
        leases, lost = await _check_leases(store)
    finally:
        for worker in workers:
            worker.kill()
        await client.close()
        await store.database.close()
        server.kill()
    returned, claimed = (max((each[part] for each in takeovers), default=0.0) for part in (0, 1))
    return Outcome(returned, claimed, SCENES_PER_JOB * len(made), leases, lost)


async def _faults(store: Store, workers: list[ExampleWorker], size: Size, randomness: random.Random) -> list[TakenOver]:
    """Lose workers, at most half of them at once; return how long each take-over took."""
    faults = [True] * size.kills + [False] * size.freezes
    randomness.shuffle(faults)
    free: asyncio.Queue[ExampleWorker] = asyncio.Queue()
    for worker in workers:
        free.put_nowait(worker)

    async def one(killed: bool) -> list[TakenOver]:
        worker = await free.get()
        try:
            return await _lose(store, worker, killed=killed)
        finally:
            free.put_nowait(worker)

    at_once = asyncio.Semaphore(max(1, len(workers) // 2))

    async def limited(killed: bool) -> list[TakenOver]:
        async with at_once:
            return await one(killed)

    found = await asyncio.gather(*map(limited, faults))
    return [seconds for each in found for seconds in each]


async def _lose(store: Store, worker: ExampleWorker, *, killed: bool) -> list[TakenOver]:
    """Kill or freeze a worker that holds a lease; return how long each take-over took."""
    held: list[Held] = []

    async def holds() -> bool:
        worker.revive()
        held[:] = await _held(store, worker.name)
        return bool(held)

    await eventually(holds)
    worker.send(signal.SIGKILL if killed else signal.SIGSTOP)
    # What it still held when the signal arrived; a call that was on its way may have ended or extended a lease.
    held = await _held(store, worker.name)
    if killed:
        worker.kill()
        worker.start()
    seconds = await asyncio.gather(*(_taken_over(store, each) for each in held))
    if not killed:
        worker.send(signal.SIGCONT)
    return [each for each in seconds if each is not None]


async def _held(store: Store, name: str) -> list[Held]:
    async with store.read() as connection:
        query = (
            sa.select(TAKE_LEASE.c.scene_id, TAKE_LEASE.c.run, SCENE.c.lease_expires_at)
            .select_from(TAKE_LEASE.join(WORKER, WORKER.c.id == TAKE_LEASE.c.worker_id))
            .join(SCENE, SCENE.c.id == TAKE_LEASE.c.scene_id)
            .where(TAKE_LEASE.c.ended_at.is_(None), WORKER.c.name == name, SCENE.c.run == TAKE_LEASE.c.run)
        )
        return [Held(scene_id, number, end) for scene_id, number, end in await connection.execute(query) if end]


async def _taken_over(store: Store, held: Held) -> TakenOver | None:
    """Wait until another lease of the take begins; None when this one has ended with a clip."""
    give_up_at = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < give_up_at:
        async with store.read() as connection:
            query = sa.select(TAKE_LEASE).where(TAKE_LEASE.c.scene_id == held.scene_id)
            leases = {each.run: each for each in await connection.execute(query)}
        lost = leases[held.run]
        if lost.outcome == Ended.DELIVERED:
            return None
        later = [each.claimed_at for number, each in leases.items() if number > held.run]
        if later:
            return TakenOver(*((instant - held.expires_at).total_seconds() for instant in (lost.ended_at, min(later))))
        await asyncio.sleep(0.1)
    raise AssertionError("the take of a lost worker was not taken over")


async def _waiting(store: Store) -> int:
    async with store.read() as connection:
        query = sa.select(sa.func.count()).where(SCENE.c.queued_at.is_not(None))
        return (await connection.execute(query)).scalar_one()


async def _check(client: Client, made: jobs.Made) -> None:
    """Each scene has one take, which was completed once and has its clip."""
    job = await jobs.job(client, made.id, SELECTION)
    scenes: list[Json] = job["scenes"]["nodes"]
    assert [(each["status"], each["attempts"]) for each in scenes] == [("COMPLETED", 1)] * len(scenes), scenes
    assert all([take["status"] for take in each["takes"]] == ["COMPLETED"] for each in scenes)
    events = [event["type"] for event in await jobs.log(client, made.id, "type")]
    assert events.count("SCENE_COMPLETED") == len(scenes)
    for scene in scenes:
        assert (await client.http.get(scene["output"]["url"])).status_code == 200


async def _check_leases(store: Store) -> tuple[int, int]:
    """Of each take the last lease alone has delivered; return the numbers of leases and of lost ones."""
    found: defaultdict[str, list[tuple[int, str | None]]] = defaultdict(list)
    async with store.read() as connection:
        await clock.current(connection)
        query = sa.select(TAKE_LEASE.c.take_id, TAKE_LEASE.c.run, TAKE_LEASE.c.outcome)
        for take_id, number, outcome in await connection.execute(query):
            found[take_id].append((number, outcome))
    for leases in found.values():
        outcomes = [outcome for _, outcome in sorted(leases, key=lambda each: each[0])]
        assert outcomes[-1] == Ended.DELIVERED, outcomes
        # A worker that dies during its claim has not received the lease.
        assert {*outcomes[:-1]} <= {Ended.LOST, Ended.UNRECEIVED}, outcomes
    return sum(map(len, found.values())), sum(len(leases) - 1 for leases in found.values())
