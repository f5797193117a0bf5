"""The commands that call a running server, `watch` and `demo`: their output and exit status."""

import asyncio
import re
import socket
from pathlib import Path

import pytest

from server.demo import demo
from server.settings import WrongSettings
from server.watch import watch
from tests.support import jobs
from tests.support.cli import command, run, seen
from tests.support.client import Client
from tests.support.server_app import App
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually


class TestWatch:
    """`watch`."""

    @pytest.mark.parametrize(("outcome", "status"), [("completed", 0), ("failed", 1), ("canceled", 3)])
    async def test_exit_status_of_watch_is_the_status_of_the_job(self, app: App, outcome: str, status: int) -> None:
        """Also for a job that was finished before."""
        script = {"completed": {}, "failed": {"outcome": "fail"}, "canceled": {"outcome": "stall"}}[outcome]
        made = await jobs.make(app, jobs.scene(**script), jobs.scene(steps=8), title=outcome)
        watching = asyncio.create_task(watch(app.url, made.id))
        await eventually(lambda: app.container.hub.watchers == 1)
        await jobs.change(app, "startJob", jobId=made.id)
        if outcome == "canceled":
            await jobs.change(app, "cancelJob", jobId=made.id)
        assert await watching == status
        assert await watch(app.url, made.id) == status

    async def test_watch_shows_job_titles_verbatim(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """Square brackets are not read as markup of the terminal library."""
        title = "Take [1/3] [/bold] [red]x[/]"
        scene = jobs.scene(outcome="fail", code="[/x]") | {"title": title}
        made = await jobs.make(app, scene, title=title, start=True)
        assert await watch(app.url, made.id) == 1
        assert capsys.readouterr().out.count(title) == 3

    async def test_watch_shows_the_message_of_a_failed_scene(
        self, app: App, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each failure is printed once, with the scene's number and title."""
        scene = jobs.scene(outcome="fail") | {"title": "Storm"}
        made = await jobs.make(app, scene, title="Weather", start=True)
        assert await watch(app.url, made.id) == 1
        failure = (await jobs.job(app, made.id, "scenes { nodes { failure { message } } }"))["scenes"]["nodes"][0]
        message = failure["failure"]["message"]
        assert message
        assert capsys.readouterr().out.count(f"1. Storm: {message}") == 1

    async def test_watch_of_unknown_job_has_exit_status_4(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """The output is one message without a progress bar."""
        assert await watch(app.url, "job_01h455vb4pex5vsknk084sn02q") == 4
        assert capsys.readouterr().out == f"There is no job job_01h455vb4pex5vsknk084sn02q at {app.url}.\n"

    async def test_watch_without_a_server_has_exit_status_5(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The output is the reason without a progress bar. Only a connection that was open once is retried."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
            assert await watch(address, "job_01h455vb4pex5vsknk084sn02q") == 5
        shown = capsys.readouterr().out
        assert shown.startswith(f"No server answers at {address} (")
        assert shown.count("\n") == 1
        assert "Connect call failed" in shown

    @pytest.mark.parametrize("command", ["watch", "demo"])
    @pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", "http://", "http://[::1", "http://a:99999"])
    async def test_invalid_url_is_refused_in_one_line(self, command: str, url: str) -> None:
        """Both commands that call a server refuse it."""
        call = watch(url, "job_01h455vb4pex5vsknk084sn02q") if command == "watch" else demo(url, None)
        with pytest.raises(WrongSettings) as wrong:
            await call
        assert str(wrong.value).startswith(f"--url or SCENEWIRE_PUBLIC_URL: {url!r} is not a URL")

    async def test_watch_resumes_after_the_server_was_killed(self, tmp_path: Path) -> None:
        """Until the job is finished."""
        server = ServerProcess(tmp_path, provider="scripted")
        await asyncio.to_thread(server.start)
        client = Client(server.url)
        try:
            made = await jobs.make(client, jobs.scene(steps=30, stepSeconds=0.1), title="Long")
            async with command("watch", made.id, color=True, public_url=server.url) as process:
                await seen(process, "Long")
                await jobs.change(client, "startJob", jobId=made.id)
                await seen(process, "Generating")
                server.kill()
                await seen(process, "waiting for the server")
                await asyncio.to_thread(server.start)
                await seen(process, "1 scene ready")
                assert process.stdout is not None
                while await process.stdout.read(4096):
                    pass
                assert await process.wait() == 0
        finally:
            await client.close()
            server.kill()


class TestDemo:
    """`demo`."""

    async def test_demo_creates_a_job_and_watches_it(self, server_url: str) -> None:
        """Until it is finished."""
        ended = await run("demo", "--provider", "scripted", public_url=server_url)
        assert ended.status == 0, ended
        assert ended.err == ""
        (job_id,) = re.findall(r"Created (job_\w+)\.", ended.out)
        client = Client(server_url)
        made = await jobs.job(client, job_id, "title status provider output { url } scenes { nodes { title status } }")
        await client.close()
        titles = [scene["title"] for scene in made["scenes"]["nodes"]]
        assert {scene["status"] for scene in made["scenes"]["nodes"]} == {made["status"]} == {"COMPLETED"}
        assert (made["title"], made["provider"], titles) == (
            "A day at the lighthouse",
            "scripted",
            ["Dawn", "Noon", "Night"],
        )
        assert all(title in ended.out for title in [made["title"], *titles])
        assert f"The video is at {made['output']['url']}" in ended.out

    async def test_demo_without_a_server_has_exit_status_5(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The message contains the command that starts one."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
            assert await demo(address, None) == 5
        text = " ".join(capsys.readouterr().out.split())
        assert text.startswith(f"No server answers at {address}")
        assert text.endswith("Start one with: make run")

    async def test_demo_prints_the_errors_of_create_job(self, app: App, capsys: pytest.CaptureFixture[str]) -> None:
        """The messages are those of the server, unchanged."""
        assert await demo(app.url, "unknown") == 1
        assert capsys.readouterr().out.startswith("There is no such provider here; there are: ")
