"""Whatever is done in whatever order: clock, log, counters and progress agree, and who comes late changes nothing."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coordinator import fractions, recovery, reports
from coordinator.dispatch import NotNow
from coordinator.fractions import Fenced
from coordinator.queueing import EXTERNAL
from coordinator.reports import Claim
from coordinator.requests import NewJob, NewScene, SceneEdit, SceneTarget
from models.access import LOCAL, Viewer
from models.change import Ticket
from models.errors import ErrorCode, Refusal, Refused
from models.events import EventType
from models.lifecycle import JobStatus, SceneStatus
from models.progress import Reading
from models.rows import SceneRow, TakeRow
from models.store import Committed
from providers.port import Failure
from tests.properties import MODEST
from tests.stores import OURS, Row, domain
from tests.suites.gathering import Gathering
from tests.suites.job_model import COMPLETED, OPEN, PROCESSING, Events, ModelJob, ModelScene, No

T = TypeVar("T")
Work = Coroutine[Any, Any, T]

STRANGER = Viewer(id="stranger", name="Stranger", roles=())
LATER_SECONDS = 3600.0
CLIP = {"output": {"key": "clip.mp4", "content_type": "video/mp4"}}
PICKS = st.integers(0, 30)
PLACES = st.none() | st.integers(-1, 5)
OFTEN, SELDOM = st.sampled_from([True, True, True, False]), st.sampled_from([False, False, False, True])
TITLES = st.sampled_from(["A", "B"])
PROVIDER_IDS = st.sampled_from(["p-1", "p-2"])
PERCENTAGES = st.sampled_from([0.0, 33.3, 50.0, 99.999, 100.0])
WHO = st.sampled_from([*["owner"] * 6, "late", "stranger"])
JOB_VERBS = st.sampled_from(
    ["start", "start", "update", "add", "add", "cancel", "reorder", "delete", "restore", "restore"]
)
SCENE_VERBS = st.sampled_from(["regenerate", "regenerate", "cancel", "delete", "move", "restore", "select", "select"])
SAID = st.sampled_from(
    ["claim", "claim", "claim", "submitted", "got on", "got on", "complete", "complete", "failed", "failed", "alive"]
)
MAY_FALL = {
    EventType.SCENE_REGENERATED,
    EventType.SCENE_ADDED,
    EventType.SCENE_DELETED,
    EventType.SCENE_RESTORED,
}


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

    def scene_for(self, verb: str, pick: int, *, good: bool) -> tuple[ModelJob, ModelScene]:
        """A scene that lets this be done to it, if there is one and it shall be good, else any."""
        can: dict[str, Callable[[ModelJob, ModelScene], bool]] = {
            "regenerate": lambda _, scene: scene.status not in OPEN,
            "cancel": lambda _, scene: scene.status in OPEN,
            "delete": lambda job, _: job.status is not JobStatus.PROCESSING,
            "move": lambda job, _: len(job.scenes) > 1,
            "restore": lambda _, scene: scene.deleted,
            "select": lambda _, scene: scene.status not in OPEN and bool(scene.clips),
        }
        fit = [
            (job, scene)
            for job in self.jobs
            for scene in (job.deleted if verb == "restore" else job.scenes)
            if good and can[verb](job, scene)
        ]
        return fit[pick % len(fit)] if fit else self.scene(pick)

    def right(self, pick: int, *, good: bool) -> Held:
        """A right to render that holds, if there is one and it shall be good, else any."""
        holding = [held for held in self.held if held.job.owns(held.scene, held.claim)] if good else []
        held = holding or self.held
        return held[pick % len(held)]

    def ticket(self, pick: int, *, good: bool) -> Ticketed:
        """A ticket of a scene that waits, if there is one and it shall be good, else any."""
        waiting = [each for each in self.tickets if each.job.fits(each.scene, each.ticket.take_number)] if good else []
        tickets = waiting or self.tickets
        return tickets[pick % len(tickets)]

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
        """Takes are numbered from 1, one is current, and none is rewritten once finished."""
        assert [take.number for take in takes] == list(range(scene.newest, 0, -1))
        assert [take.number for take in takes if take.is_current] == [scene.take]
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

    # What is done. Few rules with many verbs each: Hypothesis leaves out rules at random, and long chains need many.

    @initialize(count=st.integers(1, 4), start=OFTEN, ours=OFTEN)
    def create_the_first_job(self, count: int, start: bool, ours: bool) -> None:
        self.create(count, start=start, ours=ours)

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(count=st.integers(0, 4), start=OFTEN, ours=OFTEN)
    def create_a_job(self, count: int, start: bool, ours: bool) -> None:
        self.create(count, start=start and count > 0, ours=ours)

    def create(self, count: int, *, start: bool, ours: bool) -> None:
        scenes = [NewScene(f"prompt {number}") for number in range(count)]
        new = NewJob("A job", scenes, OURS if ours else EXTERNAL, start=start)
        job_id = self.runner.run(self.world.jobs.create(LOCAL, new))
        made = [ModelScene(scene.id) for scene in self.runner.run(self.world.look(job_id)).live]
        assert len(made) == count
        job = ModelJob(job_id, ours, order=made)
        job.created(start=start)
        self.jobs.append(job)
        self.take_note(job, self.world.committed[-1:])
        self.check(job, 0)

    @rule(verb=JOB_VERBS, who=WHO, pick=PICKS, title=TITLES, place=PLACES)
    def change_a_job(self, verb: str, who: str, pick: int, title: str, place: int | None) -> None:
        job, new = self.job(pick), ModelScene("")
        models: dict[str, Callable[[], Events]] = {
            "start": job.start,
            "cancel": job.cancel,
            "update": lambda: job.rename(title),
            "add": lambda: job.add(new, place),
            "reorder": lambda: job.reorder(wanted),
            "delete": job.put_away,
            "restore": job.bring_back,
        }
        # Another order, by turning it as far as chance has it.
        turned = pick % (len(job.scenes) + 1)
        wanted = [*job.scenes[turned:], *job.scenes[:turned]]
        viewer = STRANGER if who == "stranger" else LOCAL
        version = len(job.log) - 1 if who == "late" else len(job.log)
        doing = self.job_verb(verb, viewer, job.id, version, title, place, [scene.id for scene in wanted])

        async def real() -> None:
            new.id = str(await doing)

        self.does(job, refusing(who, models[verb]), real())

    def job_verb(
        self, name: str, viewer: Viewer, job_id: str, version: int, title: str, place: int | None, order: list[str]
    ) -> Work[object]:
        jobs, scenes = self.world.jobs, self.world.scenes
        verbs: dict[str, Callable[[], Work[object]]] = {
            "start": lambda: jobs.start(viewer, job_id, version),
            "cancel": lambda: jobs.cancel(viewer, job_id, version),
            "update": lambda: jobs.update(viewer, job_id, {"title": title}, version),
            "add": lambda: scenes.add(viewer, job_id, NewScene("one more"), place, version),
            "reorder": lambda: scenes.reorder(viewer, job_id, order, version),
            "delete": lambda: jobs.delete(viewer, job_id, version),
            "restore": lambda: jobs.restore(viewer, job_id, version),
        }
        return verbs[name]()

    @precondition(some_scene)
    @rule(verb=SCENE_VERBS, who=WHO, pick=PICKS, good=OFTEN, place=st.integers(-1, 5))
    def change_a_scene(self, verb: str, who: str, pick: int, good: bool, place: int) -> None:
        job, scene = self.scene_for(verb, pick, good=good)
        models: dict[str, Callable[[], Events]] = {
            "regenerate": lambda: job.regenerate(scene),
            "cancel": lambda: job.cancel_scene(scene),
            "delete": lambda: job.delete(scene),
            "move": lambda: job.move(scene, place),
            "restore": lambda: job.restore(scene),
            "select": lambda: job.select(scene, take.number),
        }
        takes = [take for take in self.takes.values() if take.scene_id == scene.id]
        clips = [take for take in takes if good and take.number in scene.clips]
        take = (clips or takes)[place % len(clips or takes)]
        viewer, version = STRANGER if who == "stranger" else LOCAL, self.scenes[scene.id].version
        target = SceneTarget(scene.id, job.id, version - 1 if who == "late" else version)
        # What is deleted refuses whoever it is that may see it.
        dead = job.gone or (scene.deleted and verb != "restore")
        model = models[verb] if who == "late" and dead else refusing(who, models[verb])
        self.does(job, model, self.scene_verb(verb, viewer, target, place, take.id))

    def scene_verb(self, name: str, viewer: Viewer, target: SceneTarget, place: int, take_id: str) -> Work[object]:
        scenes = self.world.scenes
        verbs: dict[str, Callable[[], Work[object]]] = {
            "regenerate": lambda: scenes.regenerate(viewer, target),
            "cancel": lambda: scenes.cancel(viewer, target),
            "delete": lambda: scenes.delete(viewer, target),
            "move": lambda: scenes.move(viewer, target, place),
            "restore": lambda: scenes.restore(viewer, target),
            "select": lambda: scenes.select_take(viewer, take_id, target.expected_version),
        }
        return verbs[name]()

    @precondition(some_scene)
    @rule(
        pick=PICKS,
        status=st.none() | st.sampled_from(SceneStatus),
        title=st.none() | TITLES,
        provider_id=st.none() | PROVIDER_IDS,
        percentage=st.none() | PERCENTAGES,
    )
    def report_from_outside(
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

    @precondition(lambda self: self.tickets)
    @rule(
        said=st.sampled_from(
            ["claim", "claim", "submitted", "got on", "got on", "complete", "failed", "failed", "alive"]
        ),
        pick=PICKS,
        good=OFTEN,
        percentage=PERCENTAGES,
        provider_id=PROVIDER_IDS,
        retryable=OFTEN,
        wait=SELDOM,
    )
    def say_of_a_render(
        self,
        said: str,
        pick: int,
        good: bool,
        percentage: float,
        provider_id: str,
        retryable: bool,
        wait: bool,
    ) -> None:
        """A worker of ours says something, in time or too late."""
        if said == "claim" or not self.held:
            return self.claim(self.ticket(pick, good=good))
        job, scene, held = self.right(pick, good=good)
        store, failure = self.world.store, Failure("OUT_OF_PAPER", "No paper.", retryable=retryable)
        match said:
            case "submitted":
                real = reports.submitted(store, held, provider_id)
                self.does(job, lambda: job.submitted(scene, held, provider_id), real)
            case "got on":
                self.does(job, lambda: job.advanced(scene, held, percentage), self.advance(held, percentage))
            case "complete":
                self.does(job, lambda: job.completed(scene, held), reports.completed(store, held, CLIP))
            case "failed":
                real = reports.failed(store, held, failure, backoff_seconds=LATER_SECONDS if wait else 0.0)
                self.does(job, lambda: job.failed(scene, held, failure, later=wait), real)
            case _:
                self.does(job, lambda: job.alive(scene, held), reports.heartbeat(store, held))
                if scene.ours and not scene.deleted:
                    self.rob(scene, held)
        return None

    go_on_saying = say_of_a_render

    def claim(self, drawn: Ticketed) -> None:
        job, scene, ticket = drawn
        claiming = reports.claim(self.world.store, ticket, "worker")
        if scene.take == ticket.take_number and scene.retry_later:
            return self.must_wait(claiming)
        fits = job.fits(scene, ticket.take_number)
        claim = self.does(job, lambda: job.claim(scene) if fits else [], claiming)
        assert (claim is not None) == fits
        if claim is not None:
            assert (claim.take_number, claim.run) == (scene.take, scene.run)
            self.held.append(Held(job, scene, claim))
        return None

    async def advance(self, held: Claim, percentage: float) -> None:
        async with self.world.store.write() as connection:
            take, run = held.take_number, held.run
            await fractions.advance(connection, held.scene_id, take, run, percentage=percentage)

    def rob(self, scene: ModelScene, held: Claim) -> None:
        """Another worker wants it, too, but who was heard of within the lease keeps it."""
        ticket = Ticket(OURS, held.job_id, scene.id, scene.take)
        self.must_wait(reports.claim(self.world.store, ticket, "another", timedelta(seconds=LATER_SECONDS)))

    def must_wait(self, claiming: Work[Claim | None]) -> None:
        before = self.world.dump()
        with pytest.raises(NotNow) as wait:
            self.runner.run(claiming)
        assert 0 < wait.value.delay_seconds <= LATER_SECONDS
        assert self.world.dump() == before


def test_any_order(database: None) -> None:
    """Every rule of the machine, in whatever order chance has it."""
    run_state_machine_as_test(AnyOrder, settings=settings(MODEST, max_examples=25, stateful_step_count=50))


def told(model: Callable[[], Events]) -> Events | No:
    try:
        return model()
    except No as no:
        return no


def refusing(who: str, model: Callable[[], Events]) -> Callable[[], Events]:
    """The model's answer to the owner; whoever is late or a stranger is refused whatever they want."""

    def refuse() -> Events:
        raise No(ErrorCode.STALE_VERSION if who == "late" else ErrorCode.NOT_FOUND)

    return model if who == "owner" else refuse


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
        heartbeat_at=None,
        queued_at=None,
        priority=0,
        job_status=scene.job_status.PENDING,
        job_deleted_at=None,
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
