"""What the hosts answer from which the clips of external workers are fetched."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from coordinator.renders import adoptions
from tests.support.adopting import a_started_job, deliver, settled_scene
from tests.support.client import Json
from tests.support.clip_host import Host, clip_bytes, delivered, redirected
from tests.support.delivered_files import BAD
from tests.support.inspected import served
from tests.support.server_app import App, running
from tests.support.webhook_receiver import Answer, Received, break_off, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_BYTES = 200_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server that takes small files only."""
    folder = tmp_path_factory.mktemp("adopting")
    async with running(folder, adopt_max_bytes=MOST_BYTES, render_deadline_seconds=120.0) as app:
        yield app


async def failure_of(app: App, host: Host, answer: Answer) -> Json:
    """Let a clip be adopted for which the host answers so; return the scene, which must have failed with its take."""
    host.files["/clip"] = answer
    made = await a_started_job(app)
    await deliver(app, made.scenes[0], outputUrl=host.url("/clip"))
    scene = await settled_scene(app, made)
    (take,) = scene["takes"]
    assert (scene["status"], take["status"], scene["attempts"], scene["output"], take["output"]) == (
        "FAILED",
        "FAILED",
        1,
        None,
        None,
    )
    return scene


class TestHosts:
    """What hosts answer."""

    @pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
    async def test_redirect_is_followed(self, app: App, host: Host, clip: bytes, code: int) -> None:
        """Also to a relative address."""
        host.files |= {"/a/clip": redirected("../b?c=d", code), "/b?c=d": delivered(clip)}
        made = await a_started_job(app)
        await deliver(app, made.scenes[0], outputUrl=host.url("/a/clip"))
        assert (await settled_scene(app, made))["status"] == "COMPLETED"
        assert host.asked == ["/a/clip", "/b?c=d"]

    @pytest.mark.parametrize(
        "location",
        [
            "http://10.0.0.1/clip",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:10.0.0.1]/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/clip",
            "http://amy:secret@127.0.0.1/",
            "/clip",
        ],
    )
    async def test_redirect_to_an_address_that_is_not_allowed_is_refused(
        self, app: App, host: Host, location: str
    ) -> None:
        """Private addresses, other schemes, credentials, and a loop; the scene does not repeat the address."""
        scene = await failure_of(app, host, redirected(location))
        assert (scene["failure"]["code"], scene["failure"]["retryable"]) == ("OUTPUT_REFUSED", False)

    @pytest.mark.parametrize("url", ["http://10.0.0.1/clip", "http://169.254.169.254/clip", "http://0.0.0.0/clip"])
    async def test_address_that_is_not_allowed_is_refused(self, app: App, url: str) -> None:
        """It is never connected to."""
        made = await a_started_job(app)
        await deliver(app, made.scenes[0], outputUrl=url)
        assert (await settled_scene(app, made))["failure"]["code"] == "OUTPUT_REFUSED"

    @pytest.mark.parametrize("code", [401, 403, 404, 410])
    async def test_refusal_of_the_host_fails_the_scene(self, app: App, host: Host, code: int) -> None:
        """At once; the failure names the status."""
        scene = await failure_of(app, host, status(code))
        assert scene["failure"] == {
            "code": "OUTPUT_UNAVAILABLE",
            "message": f"The clip could not be fetched: it was answered with status {code}.",
            "retryable": True,
        }
        assert host.asked == ["/clip"]

    @pytest.mark.parametrize("bad", ["status 500", "status 429", "broken off"])
    async def test_host_that_fails_is_asked_again(self, app: App, host: Host, clip: bytes, bad: str) -> None:
        """The second answer is good."""
        first = {"status 500": status(500), "status 429": status(429), "broken off": break_off}[bad]

        async def second_time(received: Received, writer: Any) -> None:
            await (first if len(host.asked) == 1 else delivered(clip))(received, writer)

        host.files["/clip"] = second_time
        made = await a_started_job(app)
        await deliver(app, made.scenes[0], outputUrl=host.url("/clip"))
        assert (await settled_scene(app, made))["status"] == "COMPLETED"
        assert host.asked == ["/clip"] * 2

    async def test_host_that_goes_on_failing_is_given_up(
        self, tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a part of the deadline of renders."""
        monkeypatch.setattr(adoptions, "SHARE_OF_DEADLINE", 0.01)
        async with running(tmp_path, render_deadline_seconds=60.0) as app:
            scene = await failure_of(app, host, status(503))
        assert (scene["failure"]["code"], scene["failure"]["retryable"]) == ("OUTPUT_UNAVAILABLE", True)
        assert host.asked

    @pytest.mark.parametrize("announced", [True, False])
    async def test_file_that_is_too_large_is_refused(self, app: App, host: Host, clip: bytes, announced: bool) -> None:
        """By its announced length, or as soon as more has come."""
        content = clip + bytes(MOST_BYTES)

        async def unannounced(_received: Received, writer: Any) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + content)
            await writer.drain()

        scene = await failure_of(app, host, delivered(content) if announced else unannounced)
        assert scene["failure"]["code"] == "OUTPUT_TOO_LARGE"

    @pytest.mark.parametrize("name", ["empty", "json", "page", "playlist", "sound file"])
    async def test_file_that_is_no_clip_is_not_kept(self, app: App, host: Host, tmp_path: Path, name: str) -> None:
        """Although it is announced as a video."""
        scene = await failure_of(app, host, delivered(clip_bytes(tmp_path, BAD[name].make)))
        assert (scene["failure"]["code"], scene["takes"][0]["original"]) == ("OUTPUT_NOT_A_CLIP", None)

    @pytest.mark.parametrize("name", ["cut in half", "sound alone", "noise"])
    async def test_clip_that_cannot_be_shown_fails_and_is_kept(
        self, app: App, host: Host, tmp_path: Path, name: str
    ) -> None:
        """Like that of any provider."""
        content = clip_bytes(tmp_path, BAD[name].make)
        scene = await failure_of(app, host, delivered(content))
        assert scene["failure"]["code"] == BAD[name].code
        assert (await served(app, scene["takes"][0]["original"])).content == content
