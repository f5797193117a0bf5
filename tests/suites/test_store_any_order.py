"""Whatever is done in whatever order: clock, log, counters and progress agree, and who comes late changes nothing."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coordinator import fractions, recovery, reports
from coordinator.dispatch import Handler, NotNow
from coordinator.fractions import Fenced
from coordinator.jobs import NewJob, NewScene
from coordinator.queueing import EXTERNAL
from coordinator.reports import Claim
from coordinator.requests import SceneEdit, SceneTarget
from models.access import LOCAL, Viewer
from models.change import Ticket
from models.errors import ErrorCode, Refusal, Refused
from models.events import EventType
from models.lifecycle import SceneStatus
from models.progress import Reading
from models.rows import SceneRow, TakeRow
from models.store import Committed
from providers.port import Failure
from tests.properties import MODEST
from tests.stores import OURS, Row, domain
from tests.suites.job_model import COMPLETED, OPEN, PROCESSING, Events, ModelJob, ModelScene, No

T = TypeVar("T")
Work = Coroutine[Any, Any, T]

STRANGER = Viewer(id="stranger", name="Stranger", roles=())
LATER_SECONDS = 3600.0
PICKS = st.integers(0, 30)
TITLES = st.sampled_from(["A", "B"])
PERCENTAGES = st.sampled_from([0.0, 33.3, 50.0, 99.999, 100.0])
MAY_FALL = {EventType.SCENE_REGENERATED, EventType.SCENE_ADDED, EventType.SCENE_DELETED}
SCENE_VERBS = st.sampled_from(["update", "regenerate", "cancel", "delete", "move"])
JOB_VERBS = st.sampled_from(["update", "start", "cancel", "add"])


class Held(NamedTuple):
    """A right to render that a worker got at some time."""

    job: ModelJob
    scene: ModelScene
    claim: Claim


class Ticketed(NamedTuple):
    """A ticket that was given out at some time."""

    job: ModelJob
    scene: ModelScene
    ticket: Ticket


class Gathering:
    """A queue that only takes."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        self.tickets += tickets

    async def cancel(self, keys: Sequence[str]) -> None:
        raise NotImplementedError

    async def run(self, handler: Handler) -> None:
        raise NotImplementedError


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
        self.scenes: dict[str, SceneRow] = {}
        self.takes: dict[str, TakeRow] = {}
        folder = self.open.enter_context(tempfile.TemporaryDirectory())
        self.world = self.runner.run(self.open.enter_async_context(domain(Path(folder))))

    def teardown(self) -> None:
        self.runner.run(self.open.aclose())
        self.runner.close()

    # What is there

    def job(self, pick: int) -> ModelJob:
        return self.jobs[pick % len(self.jobs)]

    def scene(self, pick: int) -> tuple[ModelJob, ModelScene]:
        """Any scene that ever was, a live one twice as often."""
        every = [(job, scene) for job in self.jobs for scene in [*job.scenes, *job.scenes, *job.deleted]]
        return every[pick % len(every)]

    def right(self, pick: int, *, late: bool) -> Held:
        """Any right to render, or one that was given lately and so is likely to hold."""
        return self.held[-1 - pick % min(2, len(self.held))] if late else self.held[pick % len(self.held)]

    def some_scene(self) -> bool:
        return any(job.scenes or job.deleted for job in self.jobs)

    # Doing the same to both

    def does(self, job: ModelJob, model: Callable[[], Events], real: Work[T]) -> T | None:
        """The real one must do what the model does, say so after the commit, and leave other jobs alone."""
        before, announced, logged = self.world.dump(), len(self.world.committed), len(job.log)
        wanted = told(model)
        if isinstance(wanted, No):
            assert self.refusal(real) == wanted.code
            assert self.world.dump() == before
            assert len(self.world.committed) == announced
            return None
        answer = self.runner.run(real)
        said = self.world.committed[announced:]
        self.take_note(job, said)
        assert {committed.job_id for committed in said} <= {job.id}
        assert [each.version for each in said if each.version is not None] == ([len(job.log)] if wanted else [])
        assert beside(job, self.world.dump()) == beside(job, before)
        self.check(job, logged)
        return answer

    def refusal(self, real: Work[Any]) -> ErrorCode | None:
        try:
            self.runner.run(real)
        except Refusal as refusal:
            return refusal.code
        except Refused as refused:
            (code,) = {refusal.code for refusal in refused.refusals}
            return code
        except Fenced:
            return None
        raise AssertionError("it was accepted")

    def take_note(self, job: ModelJob, said: Sequence[Committed]) -> None:
        scenes = {scene.id: scene for scene in [*job.scenes, *job.deleted]}
        for committed in said:
            self.tickets += [Ticketed(job, scenes[ticket.scene_id], ticket) for ticket in committed.tickets]

    # What must be true afterwards

    def check(self, job: ModelJob, logged: int) -> None:
        """The real job is the model's, and what is promised of every job holds; `logged` events were there before."""
        seen = self.runner.run(self.world.look(job.id))
        assert [event.version for event in seen.log] == list(range(1, seen.job.version + 1))
        assert [event.type for event in seen.log] == job.log
        assert seen.job.status is job.status is job.derived()
        assert seen.job.counts == {status: job.count(status) for status in SceneStatus}
        assert seen.job.counts == {status: sum(scene.status is status for scene in seen.live) for status in SceneStatus}
        assert seen.job.retrying == sum(scene.retry for scene in job.scenes)
        assert (seen.job.finished_at is not None) == seen.job.settled
        assert [scene.position for scene in seen.live] == list(range(len(seen.live)))
        assert [as_shown(scene) for scene in seen.live] == [as_told(scene) for scene in job.scenes]
        assert {scene.id for scene in seen.deleted} == {scene.id for scene in job.deleted}
        self.check_clock([*seen.live, *seen.deleted], logged)
        for scene in job.scenes:
            self.check_takes(scene, seen.takes[scene.id])
        self.check_progress(job, seen.reading, set(job.log[logged:]))

    def check_clock(self, scenes: Sequence[SceneRow], logged: int) -> None:
        """What shows of a scene changed if and only if its version is one of those that were made just now."""
        for scene in scenes:
            known = self.scenes.get(scene.id)
            changed = known is None or without_clock(known) != without_clock(scene)
            assert (scene.version > logged) == changed, (known, scene)
            assert known is None or changed or known.version == scene.version
            self.scenes[scene.id] = scene

    def check_takes(self, scene: ModelScene, takes: Sequence[TakeRow]) -> None:
        """Takes are numbered from 1, the newest is current, and none is rewritten once finished."""
        assert [take.number for take in takes] == list(range(scene.take, 0, -1))
        assert [take.is_current for take in takes] == [True] + [False] * (scene.take - 1)
        for take in takes:
            known = self.takes.get(take.id, take)
            assert known.finished_at is None or known._replace(is_current=take.is_current) == take
            self.takes[take.id] = take

    def check_progress(self, job: ModelJob, reading: Reading, events: set[EventType]) -> None:
        """It is a share that falls only when there is more to do again, and 100 says that all is done."""
        assert reading.version == len(job.log)
        assert 0 <= reading.percentage <= 100
        assert (reading.percentage == 100) == (job.count(COMPLETED) == len(job.scenes) > 0)
        assert reading.percentage == pytest.approx(job.percentage, abs=0.02)
        if not events & MAY_FALL:
            assert reading.percentage >= self.percentages.get(job.id, 0.0)
        self.percentages[job.id] = reading.percentage

    @invariant()
    def what_waits_for_us_was_dispatched_and_is_found_again(self) -> None:
        """No scene waits without a ticket, and the reconciler would find exactly what is open with us."""
        found = Gathering()
        self.runner.run(recovery.reconcile(self.world.store, found))
        dispatched = {(each.ticket.scene_id, each.ticket.take_number) for each in self.tickets}
        open_with_us = {
            (scene.id, scene.take)
            for job in self.jobs
            for scene in job.scenes
            if job.waits(scene) or (scene.status is PROCESSING and scene.ours)
        }
        assert {(ticket.scene_id, ticket.take_number) for ticket in found.tickets} == open_with_us
        assert open_with_us <= dispatched

    # The verbs on jobs

    @initialize(count=st.integers(1, 4), start=st.booleans(), ours=st.booleans())
    def create_the_first_job(self, count: int, start: bool, ours: bool) -> None:
        self.create(count, start=start, ours=ours)

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(count=st.integers(0, 4), start=st.booleans(), ours=st.booleans())
    def create_a_job(self, count: int, start: bool, ours: bool) -> None:
        self.create(count, start=start and count > 0, ours=ours)

    def create(self, count: int, *, start: bool, ours: bool) -> None:
        scenes = [NewScene(f"prompt {number}") for number in range(count)]
        new = NewJob("A job", scenes, OURS if ours else EXTERNAL, start=start)
        job_id = self.runner.run(self.world.jobs.create(LOCAL, new))
        made = [ModelScene(scene.id) for scene in self.runner.run(self.world.look(job_id)).live]
        assert len(made) == count
        job = ModelJob(job_id, ours, scenes=made)
        job.created(start=start)
        self.jobs.append(job)
        self.take_note(job, self.world.committed[-1:])
        self.check(job, 0)

    @rule(pick=PICKS, title=TITLES)
    def rename_a_job(self, pick: int, title: str) -> None:
        job = self.job(pick)
        self.does(job, lambda: job.rename(title), self.world.jobs.update(LOCAL, job.id, {"title": title}))

    @rule(pick=PICKS)
    def start_a_job(self, pick: int) -> None:
        job = self.job(pick)
        self.does(job, job.start, self.world.jobs.start(LOCAL, job.id, len(job.log)))

    @rule(pick=PICKS)
    def cancel_a_job(self, pick: int) -> None:
        job = self.job(pick)
        self.does(job, job.cancel, self.world.jobs.cancel(LOCAL, job.id))

    @rule(pick=PICKS, position=st.none() | st.integers(-1, 5))
    def add_a_scene(self, pick: int, position: int | None) -> None:
        job, scene = self.job(pick), ModelScene("")

        async def add() -> None:
            scene.id = await self.world.scenes.add(LOCAL, job.id, NewScene("one more"), position)

        self.does(job, lambda: job.add(scene, position), add())

    # The verbs on scenes

    @precondition(some_scene)
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
        self.does(job, lambda: job.report(scene, edit), self.world.scenes.update(LOCAL, SceneTarget(scene.id), edit))

    @precondition(some_scene)
    @rule(pick=PICKS)
    def regenerate_a_scene(self, pick: int) -> None:
        job, scene = self.scene(pick)
        real = self.world.scenes.regenerate(LOCAL, SceneTarget(scene.id, job.id, self.scenes[scene.id].version))
        self.does(job, lambda: job.regenerate(scene), real)

    @precondition(some_scene)
    @rule(pick=PICKS)
    def cancel_a_scene(self, pick: int) -> None:
        job, scene = self.scene(pick)
        self.does(job, lambda: job.cancel_scene(scene), self.world.scenes.cancel(LOCAL, SceneTarget(scene.id)))

    @precondition(some_scene)
    @rule(pick=PICKS)
    def delete_a_scene(self, pick: int) -> None:
        job, scene = self.scene(pick)
        self.does(job, lambda: job.delete(scene), self.world.scenes.delete(LOCAL, SceneTarget(scene.id)))

    @precondition(some_scene)
    @rule(pick=PICKS, position=st.integers(-1, 5))
    def move_a_scene(self, pick: int, position: int) -> None:
        job, scene = self.scene(pick)
        real = self.world.scenes.move(LOCAL, SceneTarget(scene.id), position)
        self.does(job, lambda: job.move(scene, position), real)

    # Those who must be refused

    @precondition(some_scene)
    @rule(pick=PICKS, verb=SCENE_VERBS)
    def be_late_with_a_scene(self, pick: int, verb: str) -> None:
        job, scene = self.scene(pick)
        target = SceneTarget(scene.id, expected_version=self.scenes[scene.id].version - 1)
        code = ErrorCode.ALREADY_DELETED if scene.deleted else ErrorCode.STALE_VERSION
        self.does(job, refusing(code), self.scene_verb(verb, LOCAL, target))

    @precondition(some_scene)
    @rule(pick=PICKS, verb=SCENE_VERBS)
    def be_a_stranger_to_a_scene(self, pick: int, verb: str) -> None:
        job, scene = self.scene(pick)
        self.does(job, refusing(ErrorCode.NOT_FOUND), self.scene_verb(verb, STRANGER, SceneTarget(scene.id)))

    @rule(pick=PICKS, verb=JOB_VERBS)
    def be_late_with_a_job(self, pick: int, verb: str) -> None:
        job = self.job(pick)
        self.does(job, refusing(ErrorCode.STALE_VERSION), self.job_verb(verb, LOCAL, job.id, len(job.log) - 1))

    @rule(pick=PICKS, verb=JOB_VERBS)
    def be_a_stranger_to_a_job(self, pick: int, verb: str) -> None:
        job = self.job(pick)
        self.does(job, refusing(ErrorCode.NOT_FOUND), self.job_verb(verb, STRANGER, job.id, None))

    def scene_verb(self, name: str, viewer: Viewer, target: SceneTarget) -> Work[object]:
        scenes = self.world.scenes
        verbs: dict[str, Callable[[], Work[object]]] = {
            "update": lambda: scenes.update(viewer, target, {"title": "mine"}),
            "regenerate": lambda: scenes.regenerate(viewer, target),
            "cancel": lambda: scenes.cancel(viewer, target),
            "delete": lambda: scenes.delete(viewer, target),
            "move": lambda: scenes.move(viewer, target, 0),
        }
        return verbs[name]()

    def job_verb(self, name: str, viewer: Viewer, job_id: str, version: int | None) -> Work[object]:
        verbs: dict[str, Callable[[], Work[object]]] = {
            "update": lambda: self.world.jobs.update(viewer, job_id, {"title": "mine"}, version),
            "start": lambda: self.world.jobs.start(viewer, job_id, version),
            "cancel": lambda: self.world.jobs.cancel(viewer, job_id, version),
            "add": lambda: self.world.scenes.add(viewer, job_id, NewScene("mine"), None, version),
        }
        return verbs[name]()

    # What workers say, in time or late

    @precondition(lambda self: self.tickets)
    @rule(pick=PICKS, late=st.booleans())
    def claim_a_scene(self, pick: int, late: bool) -> None:
        drawn = self.tickets[-1 - pick % min(4, len(self.tickets))] if late else self.tickets[pick % len(self.tickets)]
        job, scene, ticket = drawn
        claiming = reports.claim(self.world.store, ticket, "worker")
        if scene.take == ticket.take_number and scene.retry_later:
            before = self.world.dump()
            with pytest.raises(NotNow):
                self.runner.run(claiming)
            assert self.world.dump() == before
            return
        fits = job.fits(scene, ticket.take_number)
        claim = self.does(job, lambda: job.claim(scene) if fits else [], claiming)
        assert (claim is not None) == fits
        if claim is not None:
            assert (claim.take_number, claim.run) == (scene.take, scene.run)
            self.held.append(Held(job, scene, claim))

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans(), provider_id=st.sampled_from(["p-3", "p-4"]))
    def say_it_was_submitted(self, pick: int, late: bool, provider_id: str) -> None:
        job, scene, held = self.right(pick, late=late)
        real = reports.submitted(self.world.store, held, provider_id)
        self.does(job, lambda: job.submitted(scene, held, provider_id), real)

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans(), percentage=PERCENTAGES)
    def say_how_far_it_is(self, pick: int, late: bool, percentage: float) -> None:
        job, scene, held = self.right(pick, late=late)

        async def advance() -> None:
            async with self.world.store.write() as connection:
                take, run = held.take_number, held.run
                await fractions.advance(connection, held.scene_id, take, run, percentage=percentage)

        self.does(job, lambda: job.advanced(scene, held, percentage), advance())

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans())
    def say_it_is_complete(self, pick: int, late: bool) -> None:
        job, scene, held = self.right(pick, late=late)
        clip = {"output": {"key": "clip.mp4", "content_type": "video/mp4"}}
        self.does(job, lambda: job.completed(scene, held), reports.completed(self.world.store, held, clip))

    @precondition(lambda self: self.held)
    @rule(pick=PICKS, late=st.booleans(), retryable=st.booleans(), wait=st.booleans())
    def say_it_failed(self, pick: int, late: bool, retryable: bool, wait: bool) -> None:
        job, scene, held = self.right(pick, late=late)
        failure = Failure("OUT_OF_PAPER", "No paper.", retryable=retryable)
        backoff_seconds = LATER_SECONDS if wait else 0.0
        real = reports.failed(self.world.store, held, failure, backoff_seconds=backoff_seconds)
        self.does(job, lambda: job.failed(scene, held, failure, later=wait), real)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(MODEST, max_examples=40, stateful_step_count=30)


def told(model: Callable[[], Events]) -> Events | No:
    try:
        return model()
    except No as no:
        return no


def refusing(code: ErrorCode) -> Callable[[], Events]:
    def refuse() -> Events:
        raise No(code)

    return refuse


def beside(job: ModelJob, dump: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """All rows that do not belong to the job."""
    return {table: [row for row in rows if job.id not in row] for table, rows in dump.items()}


def without_clock(scene: SceneRow) -> SceneRow:
    """Without what no event tells of: the running fractions, the place in the queue, who renders, the job's status."""
    return scene._replace(
        version=0,
        updated_at=scene.created_at,
        percentage=None,
        high_water=0.0,
        run=0,
        worker=None,
        queued_at=None,
        priority=0,
        job_status=scene.job_status.PENDING,
    )


class Shown(NamedTuple):
    """What is compared of a scene."""

    id: str
    title: str | None
    status: SceneStatus
    take: int
    run: int
    ours: bool
    attempts: int
    most_attempts: int
    percentage: float | None
    reached: float
    provider_id: str | None
    failed_with: str | None
    retry: bool
    finished: bool


def as_shown(scene: SceneRow) -> Shown:
    return Shown(
        scene.id,
        scene.title,
        scene.status,
        scene.take_number,
        scene.run,
        scene.worker is not None,
        scene.attempts,
        scene.max_attempts,
        scene.percentage,
        scene.high_water,
        scene.provider_id,
        None if scene.failure is None else scene.failure["code"],
        scene.next_attempt_at is not None,
        scene.finished_at is not None,
    )


def as_told(scene: ModelScene) -> Shown:
    told = {name: getattr(scene, name) for name in Shown._fields if name != "finished"}
    return Shown(**told, finished=scene.status not in OPEN)
