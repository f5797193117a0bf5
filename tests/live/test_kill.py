"""A server that is killed, or asked to stop, at whatever instant: what it acknowledged is there, and renders go on."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support import jobs
from tests.support.client import Client, Json, Stream
from tests.support.job_feed import FEED, ClientView, truth
from tests.support.os_processes import children_of, on_linux, runs
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

PLAYS: dict[str, list[Json]] = {
    "local": [{"prompt": f"Waves, number {number}", "durationSeconds": 4} for number in range(3)],
    "scripted": [jobs.scene(f"Scene {number}", steps=10, stepSeconds=0.1) for number in range(4)],
}


@asynccontextmanager
async def serving(
    folder: Path, provider: str = "local", render_concurrency: int = 2
) -> AsyncGenerator[tuple[ServerProcess, Client]]:
    """A server process that makes small clips, and its client; what is left of it is killed."""
    server = ServerProcess(
        folder, provider=provider, render_concurrency=render_concurrency, local_width=320, local_height=180
    )
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        yield server, client
    finally:
        await client.close()
        server.kill()


async def is_rendered(client: Client, job_id: str) -> bool:
    """Whether a render is under way."""
    scenes = (await jobs.job(client, job_id, "scenes { nodes { status percentage } }"))["scenes"]["nodes"]
    return any(scene["status"] == "PROCESSING" and scene["percentage"] for scene in scenes)


async def assert_recorded_once(client: Client, made: jobs.Made) -> None:
    """Every scene has a clip of its first take, completed once, and the log has no hole."""
    await jobs.at_rest(client, made.id)
    job = await jobs.job(
        client, made.id, "version status scenes { nodes { id takes { number status output { url } } } }"
    )
    log = await jobs.log(client, made.id, "version type sceneId")
    assert [event["version"] for event in log] == list(range(1, job["version"] + 1))
    completed = [event["sceneId"] for event in log if event["type"] == "SCENE_COMPLETED"]
    assert sorted(completed) == sorted(made.scenes)
    assert job["status"] == "COMPLETED"
    for scene in job["scenes"]["nodes"]:
        (take,) = scene["takes"]
        assert (take["number"], take["status"]) == (1, "COMPLETED")
        clip = await client.http.get(take["output"]["url"], headers={"range": "bytes=4-7"})
        assert (clip.status_code, clip.content) == (206, b"ftyp")


class TestAKill:
    """Nobody can prepare for it."""

    @on_linux
    @pytest.mark.parametrize("provider", PLAYS)
    async def test_renders_go_on_after_it(self, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each is recorded once, no process and no file is left, and a subscriber that comes back misses nothing."""
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        monkeypatch.setenv("TMPDIR", str(scratch))
        async with serving(tmp_path) as (server, client):
            made = await jobs.make(client, *PLAYS[provider], provider=provider, start=True)
            view = ClientView()
            async with client.subscribe(FEED, jobId=made.id) as stream:
                view.show((await stream.next())["jobEvents"])
                await eventually(lambda: is_rendered(client, made.id))
                version = await jobs.retitle(client, made.id, "Acknowledged")
                while view.version != version:
                    view.show((await stream.next())["jobEvents"])
                children = children_of(server.pid)
                server.kill()
                await closing(stream)
            assert bool(children) == (provider == "local")
            await eventually(lambda: not any(runs(child) for child in children))
            await asyncio.to_thread(server.start)
            async with client.subscribe(FEED, jobId=made.id, after=view.version) as stream:
                version = await jobs.at_rest(client, made.id)
                while view.version != version:
                    view.show((await stream.next())["jobEvents"])
            assert view.reasons == ["INITIAL"]
            assert view.state() == await truth(client, made.id)
            assert (view.job["title"], view.job["status"]) == ("Acknowledged", "COMPLETED")
            await assert_recorded_once(client, made)
            await eventually(lambda: children_of(server.pid) == [] and list(scratch.iterdir()) == [])

    async def test_no_acknowledged_mutation_is_lost(self, tmp_path: Path) -> None:
        """Two kills at random instants, under eight clients that change what they can."""
        chance = jobs.seeded("kills")
        async with serving(tmp_path, provider="external") as (server, client):
            diaries = [Diary(f"writer-{number}") for number in range(8)]
            writing = [asyncio.create_task(diary.write(client)) for diary in diaries]
            for _ in range(2):
                await more_is_told(diaries, 24)
                await asyncio.sleep(chance.uniform(0, 0.2))
                server.kill()
                await asyncio.to_thread(server.start)
            await more_is_told(diaries, 24)
            for diary in diaries:
                diary.enough = True
            await asyncio.gather(*writing)
            for diary in diaries:
                await diary.check(client)
            titles = await every_title(client)
        assert sorted(titles) == sorted(diary.created for diary in diaries)


class Diary:
    """One client: it makes a job and changes it, and notes what it was told had been done."""

    def __init__(self, name: str) -> None:
        self.created = name
        self.job_id = ""
        self.told: list[tuple[int, str]] = []
        self.enough = False

    async def write(self, client: Client) -> None:
        """Add scenes until it is enough; what was not answered is asked again with the same key."""
        created = await self._insist(client, "createJob", "job { id }", title=self.created, idempotencyKey=self.created)
        self.job_id = created["job"]["id"]
        number = 0
        while not self.enough and number < 190:
            number += 1
            added = await self._insist(
                client,
                "addScene",
                "scene { id version }",
                jobId=self.job_id,
                scene={"prompt": f"Scene {number}"},
                idempotencyKey=f"{self.created} {number}",
            )
            self.told.append((number, added["scene"]["id"]))

    async def check(self, client: Client) -> None:
        """All that was told is true, and nothing was done twice."""
        job = await jobs.job(client, self.job_id, "version scenes { nodes { id prompt } }")
        scenes = [(scene["prompt"], scene["id"]) for scene in job["scenes"]["nodes"]]
        assert scenes == [(f"Scene {number}", scene_id) for number, scene_id in self.told]
        log = await jobs.log(client, self.job_id)
        added = [{"version": version + 2, "type": "SCENE_ADDED"} for version in range(len(scenes))]
        assert log == [{"version": 1, "type": "JOB_CREATED"}, *added]
        assert job["version"] == len(log)

    async def _insist(self, client: Client, name: str, selection: str, **fields: Any) -> Json:
        while True:
            try:
                payload = await client.mutate(name, f"{selection} errors {{ message }}", **fields)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            assert payload["errors"] == []
            return payload


async def more_is_told(diaries: list[Diary], times: int) -> None:
    """Wait until so many more changes were acknowledged."""
    before = sum(len(diary.told) for diary in diaries)
    await eventually(lambda: sum(len(diary.told) for diary in diaries) >= before + times)


async def every_title(client: Client) -> list[str]:
    """The title of every job."""
    answer = await client.execute("{ jobs(first: 100) { nodes { title } } }")
    return [job["title"] for job in answer["jobs"]["nodes"]]


class TestAStop:
    """Somebody asks the server to stop: a service manager, or a person with Ctrl+C."""

    @on_linux
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_it_ends_in_good_order_under_load(self, tmp_path: Path, number: signal.Signals) -> None:
        """Soon, with status 0; sockets are told to come back; the next start takes up the render."""
        async with serving(tmp_path, render_concurrency=1) as (server, client):
            made = await jobs.make(client, *PLAYS["local"][:1], provider="local", start=True)
            diary = Diary("load")
            writing = asyncio.create_task(diary.write(client))
            async with (
                client.subscribe(FEED, jobId=made.id) as one,
                client.subscribe("subscription { jobsUpdated { id version } }") as other,
            ):
                await eventually(lambda: is_rendered(client, made.id))
                await eventually(lambda: len(diary.told) > 3)
                children = children_of(server.pid)
                status, *codes = await asyncio.gather(
                    asyncio.to_thread(server.stop, number), closing(one), closing(other)
                )
            assert status == 0
            assert set(codes) <= {1001, 1012}
            assert [child for child in children if runs(child)] == []
            assert [line for line in server.log.read_text().splitlines() if " INFO " not in line] == []
            diary.enough = True
            if number is signal.SIGINT:
                # Both signals lead to the same stop; what the next start does is looked at once.
                writing.cancel()
                await asyncio.wait([writing])
                return
            await asyncio.to_thread(server.start)
            await writing
            await diary.check(client)
            assert await jobs.settled(client, made.id) == "COMPLETED"
            await assert_recorded_once(client, made)


async def closing(stream: Stream) -> int | None:
    """The code with which the server closes a socket, whatever it sends before; None when it is gone without a word."""
    with pytest.raises(ConnectionClosed) as closed:
        await stream.rest()
    return None if closed.value.rcvd is None else closed.value.rcvd.code
