"""The one way to write: whatever is done in whatever order, clock, log, counters, positions and progress agree."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy.exc import ResourceClosedError

from coordinator import fractions, recovery, reports
from coordinator.dispatch import NotNow
from coordinator.fractions import Fenced
from coordinator.jobs import NewJob, NewScene
from coordinator.queueing import EXTERNAL
from coordinator.reports import Claim
from coordinator.requests import SceneEdit, SceneTarget
from models.access import LOCAL, Viewer
from models.change import Ticket
from models.database import Connection
from models.errors import Conflict, ErrorCode, Refusal, Refused
from models.events import EventType
from models.lifecycle import JobStatus, SceneStatus
from models.rows import SceneRow
from models.store import Committed
from providers.port import Failure
from tests.properties import MODEST
from tests.stores import OURS, Domain, Row, domain
from tests.suites.job_model import PENDING, PROCESSING, Events, ModelJob, ModelScene, No

T = TypeVar("T")

STRANGER = Viewer(id="stranger", name="Stranger", roles=())
LATER_SECONDS = 3600.0
PICKS = st.integers(0, 30)
TITLES = st.sampled_from(["A", "B"])
PERCENTAGES = st.sampled_from([0.0, 33.3, 50.0, 99.999, 100.0])
MAY_FALL = {EventType.SCENE_REGENERATED, EventType.SCENE_ADDED, EventType.SCENE_DELETED}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as world:
        yield world


class Held(NamedTuple):
    """A right to render that some worker got at some time."""

    job: ModelJob
    scene: ModelScene
    claim: Claim


class Ticketed(NamedTuple):
    """A ticket that was given out at some time."""

    job: ModelJob
    scene: ModelScene
    ticket: Ticket


class AnyOrder(RuleBasedStateMachine):
    """Every verb, report and claim in any order, the late and the refused among them, beside a model that knows."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open = AsyncExitStack()
        self.jobs: list[ModelJob] = []
        self.tickets: list[Ticketed] = []
        self.held: list[Held] = []
        self.percentages: dict[str, float] = {}
        folder = self.open.enter_context(tempfile.TemporaryDirectory())
        self.world = self.run(self.open.enter_async_context(domain(Path(folder))))

    def teardown(self) -> None:
        self.run(self.open.aclose())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # Looking

    def scene(self, pick: int) -> tuple[ModelJob, ModelScene]:
        """Any scene that ever was; the live ones come up more often."""
        every = [(job, scene) for job in self.jobs for scene in [*job.scenes, *job.scenes, *job.deleted]]
        return every[pick % len(every)]

    def job(self, pick: int) -> ModelJob:
        return self.jobs[pick % len(self.jobs)]

    def any_scenes(self) -> bool:
        return any(job.scenes or job.deleted for job in self.jobs)

    def versions(self, scene: ModelScene) -> int:
        (found,) = [row for row in self.world.dump()["scene"] if row[0] == scene.id]
        return int(found[self.columns("scene").index("version")])

    def columns(self, table: str) -> list[str]:
        with closing(sqlite3.connect(self.world.path)) as connection:
            return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]

    # Doing

    def does(self, job: ModelJob, model: Callable[[], Events], real: Coroutine[Any, Any, T]) -> T | None:
        """Do the same to both; the real one must answer, log and announce what the model does, and nothing else."""
        before, announced, logged = self.world.dump(), len(self.world.committed), len(job.log)
        try:
            events = model()
        except No as no:
            assert self.refused(real) == ({no.code} if no.code else set())
            assert self.world.dump() == before
            assert len(self.world.committed) == announced
            return None
        answer = self.run(real)
        said = self.world.committed[announced:]
        assert [committed.version for committed in said if committed.version is not None] == [len(job.log)] * bool(
            events
        )
        assert all(committed.job_id == job.id for committed in said)
        assert self.beside(job, self.world.dump()) == self.beside(job, before)
        assert unfinished_or_same(before["take"], self.world.dump()["take"], self.columns("take"))
        self.remember_tickets(job, said)
        self.check(job, logged)
        return answer

    def refused(self, real: Coroutine[Any, Any, object]) -> set[ErrorCode]:
        try:
            self.run(real)
        except Refusal as refusal:
            return {refusal.code}
        except Refused as refused:
            return {refusal.code for refusal in refused.refusals}
        except Fenced:
            return set()
        raise AssertionError("it was accepted")

    def beside(self, job: ModelJob, dump: dict[str, list[Row]]) -> dict[str, list[Row]]:
        return {table: [row for row in rows if job.id not in row] for table, rows in dump.items()}

    def remember_tickets(self, job: ModelJob, said: Sequence[Committed]) -> None:
        scenes = {scene.id: scene for scene in [*job.scenes, *job.deleted]}
        for committed in said:
            self.tickets += [Ticketed(job, scenes[ticket.scene_id], ticket) for ticket in committed.tickets]

    # Agreeing

    def check(self, job: ModelJob, logged: int) -> None:
        """The real job is the model's, and what was promised of every job holds."""
        row = self.run(self.world.job(job.id))
        scenes = self.run(self.world.scenes_of(job.id))
        log = self.run(self.world.log(job.id))
        reading = self.run(self.world.reading(job.id))
        assert [event.version for event in log] == list(range(1, row.version + 1))
        assert [event.type for event in log] == job.log
        assert row.status is job.status is job.derived()
        assert row.counts == {status: job.count(status) for status in SceneStatus}
        assert row.counts == {status: sum(scene.status is status for scene in scenes) for status in SceneStatus}
        assert row.retrying == sum(scene.retry for scene in job.scenes)
        assert [scene.position for scene in scenes] == list(range(len(scenes)))
        assert [as_model(scene) for scene in scenes] == [as_told(scene) for scene in job.scenes]
        assert (row.finished_at is not None) == row.settled
        assert row.total == reading.total == len(scenes)
        assert reading.version == row.version
        self.check_clock(scenes, logged, row.version)
        self.check_progress(job, reading.percentage, set(job.log[logged:]))

    def check_clock(self, scenes: Sequence[SceneRow], logged: int, version: int) -> None:
        """A scene carries the version of the event that changed it last, so what was not touched keeps its own."""
        assert all(1 <= scene.version <= version for scene in scenes)
        log = self.run(self.world.log(scenes[0].job_id)) if scenes else []
        for scene in scenes:
            own = [event.version for event in log if event.scene_id == scene.id]
            assert scene.version >= max(own, default=1)
            assert scene.version > logged or scene.version in (event.version for event in log)

    def check_progress(self, job: ModelJob, percentage: float, events: set[EventType]) -> None:
        assert 0 <= percentage <= 100
        assert (percentage == 100) == (job.count(SceneStatus.COMPLETED) == len(job.scenes) > 0)
        assert percentage == pytest.approx(min(100, job.percentage), abs=0.02)
        if not events & MAY_FALL:
            assert percentage >= self.percentages.get(job.id, 0.0)
        self.percentages[job.id] = percentage

    @invariant()
    def whatever_waits_for_us_is_found_again(self) -> None:
        """No scene waits without a ticket, and the reconciler would find exactly what is open with us."""
        given = {(each.ticket.scene_id, each.ticket.take_number) for each in self.tickets}
        found = Gathered()
        self.run(recovery.reconcile(self.world.store, found))
        open_with_us = {
            (scene.id, scene.take)
            for job in self.jobs
            for scene in job.scenes
            if job.waits(scene) or (scene.status is PROCESSING and scene.ours)
        }
        assert {(ticket.scene_id, ticket.take_number) for ticket in found.tickets} == open_with_us
        assert open_with_us <= given

    # The verbs

    @initialize(count=st.integers(1, 4), start=st.booleans(), ours=st.booleans())
    def a_first_job(self, count: int, start: bool, ours: bool) -> None:
        self.create_a_job(count, start, ours)

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(count=st.integers(0, 4), start=st.booleans(), ours=st.booleans())
    def create_a_job(self, count: int, start: bool, ours: bool) -> None:
        scenes = [NewScene(f"prompt {number}") for number in range(count)]
        start = start and count > 0
        new = NewJob("A job", scenes, OURS if ours else EXTERNAL, start=start)
        job_id = self.run(self.world.jobs.create(LOCAL, new))
        made = [ModelScene(scene.id) for scene in self.run(self.world.scenes_of(job_id))]
        job = ModelJob(job_id, ours, scenes=made)
        job.created(start=start)
        self.jobs.append(job)
        self.remember_tickets(job, self.world.committed[-1:])
        self.check(job, 0)

    @rule(pick=PICKS, title=TITLES)
    def rename_a_job(self, pick: int, title: str) -> None:
        job = self.job(pick)
        differs = self.run(self.world.job(job.id)).title != title
        events = [EventType.JOB_UPDATED] if differs else []
        self.does(job, lambda: job.logged(events), self.world.jobs.update(LOCAL, job.id, {"title": title}))

    @rule(pick=PICKS)
    def start_a_job(self, pick: int) -> None:
        job = self.job(pick)
        self.does(job, job.start, self.world.jobs.start(LOCAL, job.id))

    @rule(pick=PICKS)
    def cancel_a_job(self, pick: int) -> None:
        job = self.job(pick)
        self.does(job, job.cancel, self.world.jobs.cancel(LOCAL, job.id))

    @rule(pick=PICKS, position=st.none() | st.integers(-1, 5))
    def add_a_scene(self, pick: int, position: int | None) -> None:
        job, scene = self.job(pick), ModelScene("")
        place = len(job.scenes) if position is None else position
        adding = self.world.scenes.add(LOCAL, job.id, NewScene("one more"), position)

        async def add() -> None:
            # The ticket names the scene, so the model must know its id before it is looked at.
            scene.id = await adding

        def told() -> Events:
            job.may_add(place)
            return job.add(scene, place)

        self.does(job, told, add())
        adding.close()

    @precondition(lambda self: self.any_scenes())
    @rule(
        pick=PICKS,
        status=st.none() | st.sampled_from(SceneStatus),
        title=st.none() | TITLES,
        provider_id=st.none() | st.sampled_from(["p-1", "p-2"]),
        percentage=st.none() | PERCENTAGES,
    )
    def report_on_a_scene(
        self,
        pick: int,
        status: SceneStatus | None,
        title: str | None,
        provider_id: str | None,
        percentage: float | None,
    ) -> None:
        job, scene = self.scene(pick)
        edit: SceneEdit = {}
        if status is not None:
            edit["status"] = status
        if title is not None:
            edit["title"] = title
        if provider_id is not None:
            edit["provider_id"] = provider_id
        if percentage is not None:
            edit["percentage"] = percentage

        def told() -> Events:
            return job.report(scene, status=status, title=title, provider_id=provider_id, percentage=percentage)

        self.does(job, told, self.world.scenes.update(LOCAL, SceneTarget(scene.id), edit))

    @precondition(lambda self: self.any_scenes())
    @rule(pick=PICKS)
    def regenerate_a_scene(self, pick: int) -> None:
        job, scene = self.scene(pick)
        target = SceneTarget(scene.id, job.id)
        self.does(job, lambda: job.regenerate(scene), self.world.scenes.regenerate(LOCAL, target))

    @precondition(lambda self: self.any_scenes())
    @rule(pick=PICKS)
    def cancel_a_scene(self, pick: int) -> None:
        job, scene = self.scene(pick)
        target = SceneTarget(scene.id)
        self.does(job, lambda: job.cancel_scene(scene), self.world.scenes.cancel(LOCAL, target))

    @precondition(lambda self: self.any_scenes())
    @rule(pick=PICKS)
    def delete_a_scene(self, pick: int) -> None:
        job, scene = self.scene(pick)
        target = SceneTarget(scene.id)
        self.does(job, lambda: job.delete(scene), self.world.scenes.delete(LOCAL, target))

    @precondition(lambda self: self.any_scenes())
    @rule(pick=PICKS, position=st.integers(-1, 5))
    def move_a_scene(self, pick: int, position: int) -> None:
        job, scene = self.scene(pick)
        target = SceneTarget(scene.id)
        self.does(job, lambda: job.move(scene, position), self.world.scenes.move(LOCAL, target, position))

    @precondition(lambda self: self.any_scenes())
    @rule(pick=PICKS, verb=st.sampled_from(["update", "regenerate", "cancel", "delete", "move"]))
    def be_late_with_a_scene(self, pick: int, verb: str) -> None:
        job, scene = self.scene(pick)
        late = SceneTarget(scene.id, expected_version=self.versions(scene) - 1)
        self.does(job, deny(ErrorCode.ALREADY_DELETED if scene.deleted else ErrorCode.STALE_VERSION), self.verb(verb, late))

    @precondition(lambda self: self.any_scenes())
    @rule(pick=PICKS, verb=st.sampled_from(["update", "regenerate", "cancel", "delete", "move"]))
    def be_a_stranger_to_a_scene(self, pick: int, verb: str) -> None:
        job, scene = self.scene(pick)
        self.does(job, deny(ErrorCode.NOT_FOUND), self.verb(verb, SceneTarget(scene.id), STRANGER))

    @rule(pick=PICKS, late=st.booleans(), verb=st.sampled_from(["update", "start", "cancel", "add"]))
    def be_a_stranger_to_a_job_or_late(self, pick: int, late: bool, verb: str) -> None:
        job, jobs = self.job(pick), self.world.jobs
        who, version = (LOCAL, len(job.log) - 1) if late else (STRANGER, None)
        doing: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "update": lambda: jobs.update(who, job.id, {"title": "mine"}, version),
            "start": lambda: jobs.start(who, job.id, version),
            "cancel": lambda: jobs.cancel(who, job.id, version),
            "add": lambda: self.world.scenes.add(who, job.id, NewScene("mine"), None, version),
        }
        self.does(job, deny(ErrorCode.STALE_VERSION if late else ErrorCode.NOT_FOUND), doing[verb]())

    def verb(self, name: str, target: SceneTarget, viewer: Viewer = LOCAL) -> Coroutine[Any, Any, object]:
        scenes = self.world.scenes
        doing: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "update": lambda: scenes.update(viewer, target, {"status": SceneStatus.COMPLETED}),
            "regenerate": lambda: scenes.regenerate(viewer, target),
            "cancel": lambda: scenes.cancel(viewer, target),
            "delete": lambda: scenes.delete(viewer, target),
            "move": lambda: scenes.move(viewer, target, 0),
        }
        return doing[name]()

    # The workers

    @precondition(lambda self: self.tickets)
    @rule(pick=PICKS)
    def claim_by_any_ticket(self, pick: int) -> None:
        self.claim(self.tickets[pick % len(self.tickets)])

    @precondition(lambda self: self.tickets)
    @rule(pick=PICKS)
    def claim_by_a_late_ticket(self, pick: int) -> None:
        self.claim(self.tickets[-1 - pick % min(4, len(self.tickets))])

    def claim(self, drawn: Ticketed) -> None:
        job, scene, ticket = drawn
        claiming = reports.claim(self.world.store, ticket, "worker")
        if scene.take == ticket.take_number and scene.retry and scene.retry_later:
            before = self.world.dump()
            with pytest.raises(NotNow):
                self.run(claiming)
            assert self.world.dump() == before
            return
        wanted: list[bool] = []

        def told() -> Events:
            events = job.claim(scene, ticket.take_number)
            wanted.append(events is not None)
            return events or []

        claim = self.does(job, told, claiming)
        assert (claim is not None) == wanted[0]
        if claim is not None:
            assert (claim.take_number, claim.run) == (scene.take, scene.run)
            self.held.append(Held(job, scene, claim))

    def right(self, pick: int, late: bool) -> Held:
        """A right to render: any one, or one that was given lately and is likely to hold."""
        return self.held[pick % len(self.held)] if not late else self.held[-1 - pick % min(2, len(self.held))]

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans(), provider_id=st.sampled_from(["p-3", "p-4"]))
    def say_it_was_submitted(self, pick: int, late: bool, provider_id: str) -> None:
        job, scene, held = self.right(pick, late)
        self.does(
            job,
            lambda: job.submitted(scene, held.take_number, held.run, provider_id),
            reports.submitted(self.world.store, held, provider_id),
        )

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans(), percentage=PERCENTAGES)
    def say_how_far_it_is(self, pick: int, late: bool, percentage: float) -> None:
        job, scene, held = self.right(pick, late)

        def told() -> Events:
            job.advanced(scene, held.take_number, held.run, percentage)
            return []

        async def advance() -> None:
            async with self.world.store.write() as connection:
                await fractions.advance(
                    connection, held.scene_id, held.take_number, held.run, percentage=percentage
                )

        self.does(job, told, advance())

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans())
    def say_it_is_complete(self, pick: int, late: bool) -> None:
        job, scene, held = self.right(pick, late)
        clip = {"output": {"key": "clip.mp4", "content_type": "video/mp4"}}
        self.does(
            job,
            lambda: job.completed(scene, held.take_number, held.run),
            reports.completed(self.world.store, held, clip),
        )

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans(), retryable=st.booleans(), wait=st.booleans())
    def say_it_failed(self, pick: int, late: bool, retryable: bool, wait: bool) -> None:
        job, scene, held = self.right(pick, late)
        failure = Failure("OUT_OF_PAPER", "No paper.", retryable=retryable)
        self.does(
            job,
            lambda: job.failed(
                scene, held.take_number, held.run, code=failure.code, retryable=retryable, later=wait
            ),
            reports.failed(self.world.store, held, failure, backoff_seconds=LATER_SECONDS if wait else 0.0),
        )


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(MODEST, max_examples=40, stateful_step_count=30)


class Gathered:
    """A queue that only takes."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        self.tickets += tickets

    async def cancel(self, keys: Sequence[str]) -> None:
        raise AssertionError

    async def run(self, handler: object) -> None:
        raise AssertionError


def deny(code: ErrorCode) -> Callable[[], Events]:
    def told() -> Events:
        raise No(code)

    return told
