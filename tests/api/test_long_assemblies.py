"""Joins that take long run apart: they delay no other video, and are begun once."""

import asyncio
import math
import shutil
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from coordinator.renders import assembly, reconciler
from models.writes import composition
from models.writes.change import Work
from providers.joining.joiner import JoinedVideo, TooCostly
from providers.joining.wire import Clip
from tests.support import jobs
from tests.support.assembled_video import JOB_WITH_VIDEO, wait_for_video
from tests.support.clip_provider import ClipProvider, clip
from tests.support.recording_queue import RecordingQueue
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.both_databases, pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough_on_postgres]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server whose provider makes the clips that a test describes."""
    async with running(tmp_path_factory.mktemp("long"), {"scripted": ClipProvider()}) as app:
        yield app


async def copy(clips: Sequence[Clip], folder: Path) -> JoinedVideo:
    """Return a copy of the first clip as the video, without a child process."""
    return JoinedVideo(Path(shutil.copy(clips[0].path, folder / "joined.mp4")), "video/mp4", 32, 32, 1.0)


class LongJoins:
    """Joins of two clips or more take long: refused within a limit of CPU time, and held until they are released."""

    def __init__(self) -> None:
        self.refused = 0
        self.begun = 0
        self.release = asyncio.Event()

    async def join(self, clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
        """See `joiner.join`."""
        if len(clips) > 1:
            if most_cpu_seconds < math.inf:
                self.refused += 1
                raise TooCostly("a test")
            self.begun += 1
            await self.release.wait()
        return await copy(clips, folder)


@pytest.fixture
def long_joins(app: App, monkeypatch: pytest.MonkeyPatch) -> LongJoins:
    """The joins of the server."""
    made = LongJoins()
    monkeypatch.setattr(app.container.coordinator.assemblies, "join", made.join)
    return made


async def output_of(app: App, job_id: str) -> object:
    """Return the video of a job; None while it has none."""
    return (await jobs.job(app, job_id, JOB_WITH_VIDEO))["output"]


async def test_long_join_delays_no_other_video(app: App, long_joins: LongJoins) -> None:
    """It is found to take long, waits apart, and a second one waits for it."""
    long = [await jobs.make(app, clip("red"), clip("blue"), start=True) for _ in range(2)]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await eventually(lambda: (long_joins.refused, long_joins.begun) == (2, 1))
        short = [await jobs.make(app, clip("lime"), start=True) for _ in range(2)]
        for made in short:
            assert (await wait_for_video(app, made.id))["output"] is not None
    assert long_joins.begun == 1
    assert [await output_of(app, made.id) for made in long] == [None, None]
    long_joins.release.set()
    for made in long:
        assert (await wait_for_video(app, made.id))["output"] is not None
    assert (long_joins.refused, long_joins.begun) == (2, 2)


async def test_reconciler_begins_no_long_join_again(app: App, long_joins: LongJoins) -> None:
    """It enqueues every missing video, because it does not know which joins take long."""
    coordinator = app.container.coordinator
    made = await jobs.make(app, clip("red"), clip("blue"), start=True)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await eventually(lambda: long_joins.begun == 1)
        waiting = await jobs.make(app, clip("red"), clip("blue"), start=True)
        await eventually(lambda: long_joins.refused == 2)
    found = {each.job_id: each for each in await enqueued(app)}
    assert not found[made.id].long
    # Handed out while the long one runs, while it waits, and again when it is done.
    for again in (found[made.id], found[made.id]._replace(long=True)):
        with pytest.raises(assembly.Snooze):
            await coordinator.assemblies.handle(again)

    async def is_handed_over() -> bool:
        """The attempt that was refused may be about to end."""
        try:
            await coordinator.assemblies.handle(found[waiting.id])
        except assembly.Snooze:
            return False
        return True

    await eventually(is_handed_over)
    long_joins.release.set()
    for each in (made, waiting):
        assert (await wait_for_video(app, each.id))["output"] is not None
        await coordinator.assemblies.handle(found[each.id])
    assert (long_joins.refused, long_joins.begun) == (2, 2)


@pytest.mark.sqlite_alone
async def test_large_clips_are_not_fetched_among_short_joins(
    app: App, long_joins: LongJoins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their transfer alone would delay the others."""
    monkeypatch.setattr(assembly, "SHORT_BYTES", 1)
    long_joins.release.set()
    made = await jobs.make(app, clip("red"), clip("blue"), start=True)
    assert (await wait_for_video(app, made.id))["output"] is not None
    assert (long_joins.refused, long_joins.begun) == (0, 1)


@pytest.mark.sqlite_alone
async def test_join_that_hangs_delays_no_other_video(
    app: App, long_joins: LongJoins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while it is tried again beside the long ones."""
    monkeypatch.setattr(assembly, "SHORT_DEADLINE_SECONDS", 0.05)
    hangs: list[float] = []

    async def hang(clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
        hangs.append(most_cpu_seconds)
        if most_cpu_seconds < math.inf:
            await asyncio.Future()
        return await copy(clips, folder)

    monkeypatch.setattr(app.container.coordinator.assemblies, "join", hang)
    made = await jobs.make(app, clip("red"), start=True)
    assert (await wait_for_video(app, made.id))["output"] is not None
    assert hangs == [assembly.SHORT_CPU_SECONDS, math.inf]


@pytest.mark.sqlite_alone
async def test_long_join_that_is_handed_out_at_once_does_not_wait(app: App, long_joins: LongJoins) -> None:
    """A queue may hand it out before the call that enqueues it returns."""
    coordinator = app.container.coordinator
    made = await jobs.make(app, clip("red"), clip("blue"), start=True)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await eventually(lambda: long_joins.begun == 1)
    (found,) = [each for each in await enqueued(app) if each.job_id == made.id]

    async def hand_out(work: Sequence[Work]) -> None:
        for each in work:
            assert isinstance(each, assembly.Assembly)
            await impatient.handle(each)

    long_joins.release.set()
    impatient = assembly.Assemblies(coordinator.store, coordinator.media, long_joins.join, 0.0, hand_out)
    await impatient.handle(found)
    assert await output_of(app, made.id) is not None


async def enqueued(app: App) -> list[assembly.Assembly]:
    """Return what the reconciler enqueues."""
    queue = RecordingQueue()
    await reconciler.reconcile(app.container.coordinator.store, queue)
    return queue.assemblies


@pytest.mark.sqlite_alone
async def test_owner_with_many_videos_delays_no_other_owner(app: App, long_joins: LongJoins) -> None:
    """The more jobs of an owner wait, the later the next one: that of another owner goes first."""
    scene = {"prompt": "x", "durationSeconds": 10, "metadata": clip("red")["metadata"]}
    async with asyncio.timeout(TIMEOUT_SECONDS):
        held = await jobs.make(app, clip("red"), clip("blue"), start=True)
        await eventually(lambda: long_joins.begun == 1)
        many: list[jobs.Made] = []
        for _ in range(3):
            many.append(await jobs.make(app, scene, scene, start=True))
            await eventually(lambda: long_joins.refused == 1 + len(many))
        priorities = {each.job_id: each.priority for each in await enqueued(app)}
    in_order = [priorities[made.id] for made in (held, *many)]
    assert in_order == sorted(in_order, reverse=True)
    # Each of the later ones waits for the 20 seconds of clips of each before it.
    assert priorities[many[0].id] - priorities[many[2].id] >= 2 * 20 * composition.WAIT_FOR_EACH_SECOND
    long_joins.release.set()
    for made in (held, *many):
        await jobs.at_rest(app, made.id)
