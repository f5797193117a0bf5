"""Answers and messages that are made while jobs change: each shows one moment, and none contradicts itself."""

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from models.db.engines import READERS
from providers.joining.joiner import JoinedVideo
from providers.joining.wire import Clip
from tests.support import consistency, jobs, rest_calls
from tests.support.client import Json
from tests.support.consistency import FEED, HEAD, JOB, PROGRESS, SCENE, check_job, check_scene
from tests.support.factories import CLIP_URL
from tests.support.property_settings import scaled
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

CHANGES = scaled(36)
WRITERS = 3
# Leaves the writers time to change something between two answers.
PAUSE_SECONDS = 0.05

QUERIES = {"jobs", "job", "scene", "REST"}
KINDS = QUERIES | {"replay", "JobSnapshot", "JobEvent", "SceneProgress", "jobProgress", "sceneUpdated", "jobsUpdated"}

JOBS = f"{{ jobs(first: 3) {{ nodes {{ {JOB} }} }} viewer {{ regenerateQuota {{ remaining }} }} }}"
ONE_JOB = f"query($id: ID!) {{ job(id: $id) {{ {JOB} }} node(id: $id) {{ ... on Job {{ {HEAD} }} }} }}"
ONE_SCENE = f"query($id: ID!) {{ scene(id: $id) {{ {SCENE} }} }}"
PROGRESS_OF_JOB = f"subscription($id: ID!) {{ answer: jobProgress(jobId: $id, minIntervalMs: 0) {{ {PROGRESS} }} }}"
STATE_OF_SCENE = f"subscription($id: ID!) {{ answer: sceneUpdated(sceneId: $id) {{ {SCENE} }} }}"
ALL_JOBS = f"subscription {{ answer: jobsUpdated {{ {JOB} }} }}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server that joins clips at once: a copy of the first is the video."""

    async def join(clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
        await asyncio.sleep(0.02)
        video = Path(shutil.copy(clips[0].path, folder / "joined.mp4"))
        return JoinedVideo(video, "video/mp4", 32, 32, 1.0)

    async with running(tmp_path_factory.mktemp("answers"), limit_cost=100_000) as app:
        app.container.coordinator.assemblies.join = join
        yield app


class Writers:
    """Changes two jobs at random: one that this server renders and joins, one of an external worker."""

    def __init__(self, app: App, rng: random.Random, rendered: jobs.Made, external: jobs.Made) -> None:
        self._app = app
        self._rng = rng
        self._rendered = rendered
        self._external = external

    async def run(self) -> None:
        """Make all changes; those that a status does not permit are refused."""
        await asyncio.gather(*(self._change_often() for _ in range(WRITERS)))

    async def _change_often(self) -> None:
        for number in range(CHANGES // WRITERS):
            await self._change(number)
            await asyncio.sleep(self._rng.choice((0, 0, 0.01)))

    async def _change(self, number: int) -> None:
        of_job, of_scene = "job { id } errors { code }", "scene { id } errors { code }"
        ours, theirs = self._rng.choice(self._rendered.scenes), self._rng.choice(self._external.scenes)
        match self._rng.randrange(6):
            case 0 | 1:
                await self._app.mutate("regenerateScene", of_scene, sceneId=ours)
            case 2:
                await self._app.mutate("regenerateScene", of_scene, sceneId=theirs)
            case 3 | 4:
                status = self._rng.choice(("PROCESSING", "COMPLETED", "COMPLETED", "FAILED"))
                output = {"outputUrl": CLIP_URL} if status == "COMPLETED" else {}
                await self._app.mutate("updateScene", of_scene, sceneId=theirs, status=status, **output)
            case _:
                await self._app.mutate("updateJob", of_job, jobId=self._rendered.id, title=f"Title {number}")


class Pollers:
    """Reads while the jobs change, and checks every answer."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.done = asyncio.Event()
        # How many answers of each kind were checked.
        self.checked: Counter[str] = Counter()

    async def query(self, kind: str, document: str, check: Callable[[Json], None], **variables: str) -> None:
        """Repeat a query."""
        while not self.done.is_set():
            check(await self._app.execute(document, **variables))
            self.checked[kind] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def rest(self, job_id: str) -> None:
        """Repeat the REST call that lists the scenes of a job."""
        while not self.done.is_set():
            consistency.check_rest((await rest_calls.call(self._app, "GET", job_id)).json())
            self.checked["REST"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def stream(self, document: str, check: Callable[[Json], None], kind: str = "", **variables: object) -> None:
        """Check every message of a subscription."""
        async with self._app.subscribe(document, **variables) as stream:
            while True:
                answer = (await stream.next())["answer"]
                check(answer)
                self.checked[kind or answer["kind"]] += 1

    async def replay(self, job_id: str) -> None:
        """Repeat the subscription of a client that reconnects and has missed every event."""
        while not self.done.is_set():
            async with self._app.subscribe(FEED, id=job_id, after=0) as stream:
                for _ in range((await jobs.job(self._app, job_id, "version"))["version"]):
                    consistency.check_message((await stream.next())["answer"])
                    self.checked["replay"] += 1
            await asyncio.sleep(PAUSE_SECONDS)


def check_progress(progress: Json) -> None:
    """Assert that the parts of a progress agree."""
    parts = (progress[part] for part in ("pending", "processing", "completed", "failed", "canceled"))
    assert sum(parts) == progress["total"], progress
    assert (progress["currentStage"] == "GENERATING") == (progress["processing"] > 0), progress


def check_one_job(data: Json) -> None:
    """Assert that both views of a job show the same."""
    check_job(data["job"])
    check_job(data["node"])
    assert data["job"]["version"] == data["node"]["version"], data


def check_jobs(data: Json) -> None:
    """Assert that each job of a list agrees with itself."""
    for job in data["jobs"]["nodes"]:
        check_job(job)


@asynccontextmanager
async def reading(app: App, *made: jobs.Made) -> AsyncGenerator[Pollers]:
    """Read the first two jobs by every kind of operation during the block, the others by jobEvents.

    Raises a contradiction as an AssertionError.
    """
    pollers = Pollers(app)
    polls = [pollers.query("jobs", JOBS, check_jobs), pollers.stream(ALL_JOBS, check_job, "jobsUpdated")]
    polls += [pollers.stream(FEED, consistency.check_message, id=each.id) for each in made]
    for each in made[:2]:
        polls += [
            pollers.query("job", ONE_JOB, check_one_job, id=each.id),
            pollers.query("scene", ONE_SCENE, lambda data: check_scene(data["scene"]), id=each.scenes[0]),
            pollers.rest(each.id),
            pollers.replay(each.id),
            pollers.stream(PROGRESS_OF_JOB, check_progress, "jobProgress", id=each.id),
            pollers.stream(STATE_OF_SCENE, check_scene, "sceneUpdated", id=each.scenes[0]),
        ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(poll) for poll in polls]
        yield pollers
        pollers.done.set()
        for task in tasks:
            task.cancel()


async def test_no_answer_during_changes_contradicts_itself(app: App) -> None:
    """Checked are queries, streams, replays and REST while two jobs are rendered, joined, failed and regenerated."""
    rendered = await jobs.make(
        app, *(jobs.scene(f"Scene {number}", steps=5, stepSeconds=0.02) for number in range(3)), start=True
    )
    external = await jobs.make(app, *(jobs.scene() for _ in range(3)), provider="external", start=True)
    slow = await jobs.make(app, jobs.scene(steps=100, stepSeconds=0.1), start=True)
    async with reading(app, rendered, external, slow) as pollers, asyncio.timeout(TIMEOUT_SECONDS):
        writers = Writers(app, jobs.seeded("answers"), rendered, external)
        while not pollers.checked.keys() >= KINDS:
            await writers.run()


async def test_each_mutation_field_shows_its_own_commit(app: App) -> None:
    """Two fields of one mutation: the second payload shows the second change, and both agree with themselves."""
    made = await jobs.make(app, provider="external")
    document = f"""mutation($first: UpdateJobInput!, $second: UpdateJobInput!) {{
        first: updateJob(input: $first) {{ job {{ title {JOB} }} }}
        second: updateJob(input: $second) {{ job {{ title {JOB} }} }}
    }}"""
    first, second = ({"jobId": made.id, "title": title} for title in ("One", "Two"))
    payloads = await app.execute(document, first=first, second=second)
    for payload in payloads.values():
        check_job(payload["job"])
    shown = [(payload["job"]["title"], payload["job"]["version"]) for payload in payloads.values()]
    assert shown == [("One", 2), ("Two", 3)]


async def test_streams_between_messages_keep_no_connection(app: App) -> None:
    """More clients than connections, half of them resuming, read nothing that they are sent; changes still succeed."""
    made = await jobs.make(app, provider="external")
    for number in range(20):
        await jobs.retitle(app, made.id, f"Title {number}")
    readers = app.container.database.readers
    async with AsyncExitStack() as streams:
        for after in (None, 0) * READERS:
            await streams.enter_async_context(app.subscribe(FEED, id=made.id, after=after))
        await eventually(lambda: len(app.container.connections) == 2 * READERS and app.container.hub.watchers > 0)
        version = await jobs.retitle(app, made.id, "Meanwhile")
        await eventually(lambda: readers.in_use == 0)
        check_one_job(await app.execute(ONE_JOB, id=made.id))
        assert version == 22
