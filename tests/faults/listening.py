"""The connection by which processes hear of each other is cut again and again: what is missed is made up for."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support import jobs
from tests.support.client import Client, Stream
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.job_feed import VERSIONS
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

PAUSE_SECONDS = 0.1
# How late a change may be while all is well, and while a connection that was cut heals.
SOON_SECONDS = 1.0
HEALED_SECONDS = 5.0


class Size(NamedTuple):
    """How many changes, and how often the connections are cut: with a word, or falling silent."""

    changes: int
    cuts: int
    silences: int


class Outcome(NamedTuple):
    """How late changes were, in seconds: at most while all was well, and at most while something healed."""

    latest: float
    latest_healing: float
    healing: int


class Heard:
    """What one subscriber was told, and when."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}

    async def listen(self, stream: Stream) -> None:
        """Note each version; they must follow one another."""
        while True:
            version = (await stream.next())["jobEvents"]["version"]
            assert not self.at or version == max(self.at) + 1, f"{version} came after {max(self.at)}"
            self.at[version] = time.monotonic()


async def run(folder: Path, database_url: str, size: Size, chance: random.Random) -> Outcome:
    """Change a job through one process while a subscriber of another listens and connections are cut."""
    async with deployed(folder, database_url) as deployment:
        one, other = await asyncio.gather(deployment.api("one"), deployment.api("other"))
        async with client_of(one) as writer, client_of(other) as reader:
            made = await jobs.make(writer, provider="external")
            async with reader.subscribe(VERSIONS, id=made.id) as stream:
                heard = Heard()
                listening = asyncio.create_task(heard.listen(stream))
                cuts: list[float] = []
                cutting = asyncio.create_task(cut(deployment, [one, other], size, chance, cuts))
                written = await write(writer, made.id, size.changes)
                await cutting
                written |= await write(writer, made.id, 5)
                await eventually(lambda: listening.done() or max(written) in heard.at, 2 * HEALED_SECONDS)
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
    late = {version: heard.at[version] - at for version, at in written.items()}
    healing = {v for v, at in written.items() if any(cut_at - 0.1 <= at <= cut_at + HEALED_SECONDS for cut_at in cuts)}
    well = max((seconds for version, seconds in late.items() if version not in healing), default=0.0)
    ill = max((late[version] for version in healing), default=0.0)
    assert well <= SOON_SECONDS, f"a change was heard of after {well:.2f} s although nothing was cut"
    assert ill <= HEALED_SECONDS, f"it took {ill:.2f} s to heal"
    return Outcome(well, ill, len(healing))


async def write(client: Client, job_id: str, changes: int) -> dict[int, float]:
    """Change a job; answers when each version was acknowledged."""
    written: dict[int, float] = {}
    for number in range(changes):
        written[await jobs.retitle(client, job_id, f"{time.monotonic()} {number}")] = time.monotonic()
        await asyncio.sleep(PAUSE_SECONDS)
    return written


async def cut(
    deployment: Deployment, processes: list[ServerProcess], size: Size, chance: random.Random, cuts: list[float]
) -> None:
    """Cut or silence the listening connection of either process, spread over the changes; notes when."""
    acts = ["cut"] * size.cuts + ["silence"] * size.silences
    chance.shuffle(acts)
    for act in acts:
        await asyncio.sleep(size.changes * PAUSE_SECONDS / len(acts) * chance.uniform(0.5, 1.0))
        pid = await listening_backend(deployment, chance.choice(processes))
        cuts.append(time.monotonic())
        if act == "cut":
            await deployment.rows("SELECT pg_terminate_backend($1)", pid)
        else:
            await silence(pid)
            # It may have held a lock of Postgres that all who notify need.
            cuts.append(time.monotonic())


async def listening_backend(deployment: Deployment, process: ServerProcess) -> int:
    """The process of Postgres that serves the listening connection, as soon as there is one."""
    name = f"scenewire {process.pid} listener"
    async with asyncio.timeout(HEALED_SECONDS):
        while True:
            found = await deployment.rows("SELECT pid FROM pg_stat_activity WHERE application_name = $1", name)
            if found:
                return int(found[-1][0])
            await asyncio.sleep(0.05)


async def silence(pid: int) -> None:
    """Say nothing on a connection any more, without closing it, until the process gave it up."""
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(HEALED_SECONDS)
    os.kill(pid, signal.SIGCONT)
