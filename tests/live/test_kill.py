"""A server is killed or stopped at any instant: acknowledged changes are there after a restart, and renders resume."""

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

SCENES_BY_PROVIDER: dict[str, list[Json]] = {
    "local": [{"prompt": f"Waves, number {number}", "durationSeconds": 2} for number in range(3)],
    "scripted": [jobs.scene(f"Scene {number}", steps=10, stepSeconds=0.1) for number in range(4)],
}


@asynccontextmanager
async def serving(
    folder: Path, provider: str = "local", render_concurrency: int = 2
) -> AsyncGenerator[tuple[ServerProcess, Client]]:
    """Start a server process that makes small clips, and its client; kill the server at the end if it still runs."""
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


async def is_rendering(client: Client, job_id: str) -> bool:
    """Whether a render of the job has made progress."""
    scenes = (await jobs.job(client, job_id, "scenes { nodes { status percentage } }"))["scenes"]["nodes"]
    return any(scene["status"] == "PROCESSING" and scene["percentage"] for scene in scenes)


async def assert_recorded_once(client: Client, made: jobs.Made) -> None:
    """Every scene has a clip of its first take, completed once, and the log has no gap."""
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


class TestKill:
    """SIGKILL, without any preparation."""

    @on_linux
    @pytest.mark.parametrize("provider", ["local", pytest.param("scripted", marks=pytest.mark.thorough)])
    async def test_renders_resume_after_a_kill(
        self, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each is recorded once, no process and no file is left, and a subscriber that resumes misses nothing."""
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        monkeypatch.setenv("TMPDIR", str(scratch))
        async with serving(tmp_path) as (server, client):
            made = await jobs.make(client, *SCENES_BY_PROVIDER[provider], provider=provider, start=True)
            view = ClientView()
            async with client.subscribe(FEED, jobId=made.id) as stream:
                view.show((await stream.next())["jobEvents"])
                await eventually(lambda: is_rendering(client, made.id))
                version = await jobs.retitle(client, made.id, "Acknowledged")
                while view.version != version:
                    view.show((await stream.next())["jobEvents"])
                children = children_of(server.pid)
                server.kill()
                await close_code(stream)
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

    async def test_acknowledged_mutations_survive_a_kill(self, tmp_path: Path) -> None:
        """A kill at a random instant while eight clients add scenes."""
        randomness = jobs.seeded("kills")
        async with serving(tmp_path, provider="external") as (server, client):
            writers = [Writer(f"writer-{number}") for number in range(8)]
            writing = [asyncio.create_task(writer.write(client)) for writer in writers]
            await acknowledged_more(writers, 24)
            await asyncio.sleep(randomness.uniform(0, 0.2))
            server.kill()
            await asyncio.to_thread(server.start)
            await acknowledged_more(writers, 24)
            for writer in writers:
                writer.stopped = True
            await asyncio.gather(*writing)
            for writer in writers:
                await writer.check(client)
            titles = await every_title(client)
        assert sorted(titles) == sorted(writer.title for writer in writers)


class Writer:
    """A client that creates a job, adds scenes to it, and records what was acknowledged."""

    def __init__(self, name: str) -> None:
        self.title = name
        self.job_id = ""
        self.acknowledged: list[tuple[int, str]] = []
        self.stopped = False

    async def write(self, client: Client) -> None:
        """Add scenes until stopped; retry lost requests with the same key."""
        created = await self._mutate(client, "createJob", "job { id }", title=self.title, idempotencyKey=self.title)
        self.job_id = created["job"]["id"]
        number = 0
        while not self.stopped and number < 190:
            number += 1
            added = await self._mutate(
                client,
                "addScene",
                "scene { id version }",
                jobId=self.job_id,
                scene={"prompt": f"Scene {number}"},
                idempotencyKey=f"{self.title} {number}",
            )
            self.acknowledged.append((number, added["scene"]["id"]))

    async def check(self, client: Client) -> None:
        """Every acknowledged scene is there, and none was added twice."""
        job = await jobs.job(client, self.job_id, "version scenes { nodes { id prompt } }")
        scenes = [(scene["prompt"], scene["id"]) for scene in job["scenes"]["nodes"]]
        assert scenes == [(f"Scene {number}", scene_id) for number, scene_id in self.acknowledged]
        log = await jobs.log(client, self.job_id)
        added = [{"version": version + 2, "type": "SCENE_ADDED"} for version in range(len(scenes))]
        assert log == [{"version": 1, "type": "JOB_CREATED"}, *added]
        assert job["version"] == len(log)

    async def _mutate(self, client: Client, name: str, selection: str, **fields: Any) -> Json:
        while True:
            try:
                payload = await client.mutate(name, f"{selection} errors {{ message }}", **fields)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            assert payload["errors"] == []
            return payload


async def acknowledged_more(writers: list[Writer], times: int) -> None:
    """Wait until this many more changes were acknowledged."""
    before = sum(len(writer.acknowledged) for writer in writers)
    await eventually(lambda: sum(len(writer.acknowledged) for writer in writers) >= before + times)


async def every_title(client: Client) -> list[str]:
    """Return the title of every job."""
    answer = await client.execute("{ jobs(first: 100) { nodes { title } } }")
    return [job["title"] for job in answer["jobs"]["nodes"]]


class TestGracefulShutdown:
    """SIGTERM from a service manager, SIGINT from Ctrl+C."""

    @on_linux
    @pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)])
    async def test_shutdown_under_load(self, tmp_path: Path, number: signal.Signals) -> None:
        """Status 0, sockets closed with a code that means "reconnect"; the next start resumes the render."""
        async with serving(tmp_path, render_concurrency=1) as (server, client):
            made = await jobs.make(client, *SCENES_BY_PROVIDER["local"][:1], provider="local", start=True)
            writer = Writer("load")
            writing = asyncio.create_task(writer.write(client))
            async with (
                client.subscribe(FEED, jobId=made.id) as one,
                client.subscribe("subscription { jobsUpdated { id version } }") as other,
            ):
                await eventually(lambda: is_rendering(client, made.id))
                await eventually(lambda: len(writer.acknowledged) > 3)
                children = children_of(server.pid)
                status, *codes = await asyncio.gather(
                    asyncio.to_thread(server.stop, number), close_code(one), close_code(other)
                )
            assert status == 0
            assert set(codes) <= {1001, 1012}
            assert [child for child in children if runs(child)] == []
            assert [line for line in server.log.read_text().splitlines() if " INFO " not in line] == []
            writer.stopped = True
            if number is signal.SIGINT:
                # Both signals start the same shutdown; the next start is checked for one of them.
                writing.cancel()
                await asyncio.wait([writing])
                return
            await asyncio.to_thread(server.start)
            await writing
            await writer.check(client)
            assert await jobs.settled(client, made.id) == "COMPLETED"
            await assert_recorded_once(client, made)


async def close_code(stream: Stream) -> int | None:
    """Read until the server closes the socket; return the close code, None when there was no close frame."""
    with pytest.raises(ConnectionClosed) as closed:
        await stream.rest()
    return None if closed.value.rcvd is None else closed.value.rcvd.code
