"""The process that looks at clips: its faults cost one take at most, and nothing that was paid for is lost."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from coordinator.renders import inspections
from coordinator.renders.inspections import Inspections
from providers.clips.encoding import VideoCodec
from providers.inspection import inspector
from providers.inspection.wire import Seen
from providers.joining.wire import Clip
from providers.port import Asset, Failure, Order, Progress, Rendered
from tests.support import jobs
from tests.support.delivered_files import DeliveryProvider, delivery
from tests.support.factories import accepted
from tests.support.inspected import one, rendered, served
from tests.support.odd_clips import KINDS, make
from tests.support.queries import read_scene
from tests.support.server_app import App, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def provider() -> DeliveryProvider:
    """The provider of the server, whose deliveries cost money."""
    return DeliveryProvider()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(
    database: None, tmp_path_factory: pytest.TempPathFactory, provider: DeliveryProvider
) -> AsyncGenerator[App]:
    """A server whose provider delivers the files that a test names."""
    async with running(tmp_path_factory.mktemp("inspecting"), {"scripted": provider}) as app:
        yield app


class TestInspectingProcess:
    """Faults of the process that looks at a clip cost one take at most."""

    @pytest.mark.parametrize(
        ("program", "message"),
        [
            ("import time; time.sleep(3600)", "The clip could not be inspected within 0.2 seconds."),
            ("import os; os.abort()", "The clip made the program that inspects it crash."),
            ("import os; os.kill(os.getpid(), 24)", "The clip takes too much processor time to decode."),
        ],
        ids=["hangs", "crashes", "has no time"],
    )
    async def test_clip_whose_inspection_fails_costs_its_own_take_only(
        self, app: App, provider: DeliveryProvider, monkeypatch: pytest.MonkeyPatch, program: str, message: str
    ) -> None:
        """The failure says so, and the file is kept; the clip beside it is completed meanwhile."""
        faulty = iter([True])

        async def inspect(clip: Path, folder: Path, asked_seconds: float | None) -> Seen:
            if next(faulty, False):
                fault = partial(inspector.inspect, program=("-c", program))
                return await fault(clip, folder, asked_seconds, deadline_seconds=0.2 if "sleep" in program else 300.0)
            return await inspector.inspect(clip, folder, asked_seconds)

        monkeypatch.setattr(inspections, "inspect", inspect)
        _, scenes = await rendered(app, delivery("plain"), delivery("plain"))
        bad, good = sorted(scenes, key=lambda scene: scene["status"] == "COMPLETED")
        assert (bad["status"], good["status"]) == ("FAILED", "COMPLETED")
        assert bad["failure"] == {"code": "CLIP_UNREADABLE", "message": message, "retryable": False}
        (take,) = bad["takes"]
        assert (await served(app, take["original"])).content == provider.delivered[take["id"]]

    @pytest.mark.parametrize("program", ["import os; os.kill(os.getpid(), 9)", "raise ImportError"])
    async def test_inspection_that_the_clip_cannot_have_ended_is_repeated(
        self, app: App, monkeypatch: pytest.MonkeyPatch, program: str
    ) -> None:
        """Killed by a system without memory, or never begun."""
        faulty = iter([True, True])

        async def inspect(clip: Path, folder: Path, asked_seconds: float | None) -> Seen:
            if next(faulty, False):
                return await inspector.inspect(clip, folder, asked_seconds, program=("-c", program))
            return await inspector.inspect(clip, folder, asked_seconds)

        monkeypatch.setattr(inspections, "inspect", inspect)
        monkeypatch.setattr(inspections, "TRY_AGAIN_SECONDS", 0.01)
        scene = await one(app, "plain")
        assert (scene["status"], scene["attempts"], next(faulty, None)) == ("COMPLETED", 1, None)

    async def test_clip_that_cannot_be_inspected_is_kept(
        self, app: App, provider: DeliveryProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The system starts no process for minutes: the failure does not blame the clip."""

        async def inspect(*_: object) -> Seen:
            raise Failure(
                "INSPECTION_UNAVAILABLE", "The program that inspects clips cannot be started.", retryable=True
            )

        monkeypatch.setattr(inspections, "inspect", inspect)
        monkeypatch.setattr(inspections, "TRY_FOR_SECONDS", 0.0)
        scene = await one(app, "plain")
        assert (scene["failure"]["code"], scene["failure"]["retryable"]) == ("INSPECTION_UNAVAILABLE", False)
        (take,) = scene["takes"]
        assert (await served(app, take["original"])).content == provider.delivered[take["id"]]

    @pytest.mark.parametrize(
        ("code", "completes"), [("NO_ROOM", True), ("JOIN_UNAVAILABLE", True), ("JOIN_CRASHED", False)]
    )
    async def test_rendition_that_fails_is_repeated_unless_its_clip_is_to_blame(
        self, app: App, monkeypatch: pytest.MonkeyPatch, code: str, completes: bool
    ) -> None:
        """Otherwise the take fails, because browsers could not show it."""
        real, faulty = inspections.joiner.join, iter([True])

        async def join(clips: Sequence[Clip], folder: Path, *, codec: VideoCodec) -> Asset:
            if next(faulty, False):
                raise Failure(code, "No.", retryable=True)
            return await real(clips, folder, codec=codec)

        monkeypatch.setattr(inspections.joiner, "join", join)
        monkeypatch.setattr(inspections, "TRY_AGAIN_SECONDS", 0.01)
        scene = await one(app, "mpeg4")
        assert scene["takes"][0]["original"] is not None
        if completes:
            assert scene["status"] == "COMPLETED"
        else:
            assert scene["failure"]["code"] == "CLIP_UNREADABLE"
            assert "browsers" in scene["failure"]["message"]

    async def test_inspection_does_not_count_against_the_deadline_of_the_provider(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clip that exists is not given up because it was looked at late."""
        deadline = 3.0
        clip = make(tmp_path / "plain.mp4", KINDS["plain"])

        class Ready(DeliveryProvider):
            """A provider whose clip needs no time to be made."""

            async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
                """Copy the clip."""
                yield Rendered(Asset(clip.rename(order.workdir / "clip"), "video/mp4"))

        async def inspect(clip: Path, folder: Path, asked_seconds: float | None) -> Seen:
            await asyncio.sleep(1.2 * deadline)
            return await inspector.inspect(clip, folder, asked_seconds)

        monkeypatch.setattr(inspections, "inspect", inspect)
        async with running(tmp_path, {"scripted": Ready()}, render_deadline_seconds=deadline) as app:
            scene = await one(app, "plain")
        assert (scene["status"], scene["attempts"]) == ("COMPLETED", 1)

    async def test_cancel_of_a_scene_ends_the_inspection_of_its_clip(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The clip is not kept, because its take was canceled."""
        began, ended = asyncio.Event(), asyncio.Event()

        async def inspect(*_: object) -> Seen:
            began.set()
            try:
                return await asyncio.get_running_loop().create_future()
            finally:
                ended.set()

        monkeypatch.setattr(inspections, "inspect", inspect)
        made = await jobs.make(app, delivery("plain"), start=True)
        await began.wait()
        await accepted(app, "cancelScene", sceneId=made.scenes[0])
        await ended.wait()
        selection = "status takes { status output { url } original { url } }"
        assert await read_scene(app, made.scenes[0], selection) == {
            "status": "CANCELED",
            "takes": [{"status": "CANCELED", "output": None, "original": None}],
        }

    async def test_clips_that_are_inspected_at_the_same_time_are_limited(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many renders finish together."""
        running_now, most, gate = 0, 0, asyncio.Event()
        clip = Asset(tmp_path / "clip", "video/mp4", 2, 2, 1.0)
        clip.path.write_bytes(b"clip")

        async def inspect(*_: object) -> Seen:
            nonlocal running_now, most
            running_now += 1
            most = max(most, running_now)
            await gate.wait()
            running_now -= 1
            return Seen(clip, clip, clip, playable=True)

        async def at_once(call: Callable[..., object], *arguments: object, **named: object) -> object:
            return call(*arguments, **named)

        monkeypatch.setattr(inspections, "inspect", inspect)
        # Without threads, a few rounds of the loop bring every task to the place where it waits.
        monkeypatch.setattr(asyncio, "to_thread", at_once)
        lanes = Inspections(2)
        tasks = [asyncio.ensure_future(lanes.examine(Rendered(clip), tmp_path, 1.0)) for _ in range(9)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert running_now == 2
        gate.set()
        await asyncio.gather(*tasks)
        assert most == 2
