"""Where the real one and the model are done the same to, and compared."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from coordinator.commands.scene_progress import Fenced
from coordinator.renders.claims import Claim
from models.db.tables import JOB, SCENE
from models.domain.access import LOCAL, Viewer
from models.domain.errors import DomainError
from models.domain.lifecycle import JobStatus
from models.domain.progress import JobStage
from models.writes.change import Assembly, Ticket
from models.writes.store import Committed
from tests.any_order import asking
from tests.any_order.checks import Checks
from tests.any_order.model import ModelJob
from tests.any_order.model_facts import Events, No
from tests.any_order.model_scene import OPEN, PROCESSING, ModelScene
from tests.any_order.world import Death, Killed, World, beside, rows_of
from tests.support.client import Json

T = TypeVar("T")
Work = Coroutine[Any, Any, T]
Real = Callable[[], Work[T]]


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


class Request(NamedTuple):
    """A mutation with a key that was accepted, to be sent again."""

    job: ModelJob
    name: str
    wanted: Json


class Bench(RuleBasedStateMachine):
    """Everything but the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open = AsyncExitStack()
        self.jobs: list[ModelJob] = []
        self.tickets: list[Ticketed] = []
        self.held: list[Held] = []
        self.keyed: list[Request] = []
        self.checks = Checks()
        # Whether the process was killed in the last step, and whether that was after the commit.
        self.died = self.died_after = False
        folder = self.open.enter_context(tempfile.TemporaryDirectory())
        self.world = self.runner.run(self._a_world(Path(folder)))
        self.rows = self.world.rows()
        # As the process was when it started last, and when the reconciler was asked last.
        self.restarted: list[str] = []
        self._reconciled: list[str] = []
        self._keys = 0

    async def _a_world(self, folder: Path) -> World:
        return World(folder)

    def teardown(self) -> None:
        """The whole log is what was seen of it bit by bit; then everything is closed."""
        try:
            for job in self.jobs:
                log = self.runner.run(asking.log_of(self.world.container, job.id))
                assert [event["version"] for event in log] == list(range(1, len(job.log) + 1))
                assert [event["type"] for event in log] == job.log
        finally:
            self.runner.run(self.world.close())
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

    def asks(
        self,
        job: ModelJob,
        model: Callable[[], Events],
        name: str,
        wanted: Json,
        viewer: Viewer = LOCAL,
        death: Death | None = None,
    ) -> Json | None:
        """A mutation; the payload, None when it was refused or the process was killed."""
        payload = self.does(job, model, lambda: asking.mutate(self.world.container, name, wanted, viewer), death)
        self.accepted(job, name, wanted, payload)
        return payload

    def accepted(self, job: ModelJob, name: str, wanted: Json, payload: Json | None) -> None:
        """What was told of it is true; and when nobody was told any more, the same request again will be answered."""
        if payload is not None:
            real = self.checks.seen[job.id]
            assert payload["job"] == asking.brief(payload["job"], real)
            if payload.get("scene") is not None:
                scene = payload["scene"]
                (same,) = [each for each in real["scenes"]["nodes"] if each["id"] == scene["id"]]
                assert scene == asking.brief_scene(scene, same)
        if "idempotencyKey" in wanted and (payload is not None or self.died_after):
            self.keyed.append(Request(job, name, wanted))

    def key(self) -> str:
        """One that was not used before."""
        self._keys += 1
        return f"key-{self._keys}"

    def unknown_scene(self, job: ModelJob) -> str:
        """The id of the scene of a job that the model does not know yet; empty when there is none."""
        known = {scene.id for scene in job.order}
        new = [row["id"] for row in rows_of(SCENE, job.id, self.rows) if row["id"] not in known]
        return new[0] if new else ""

    def does(self, job: ModelJob, model: Callable[[], Events], real: Real[T], death: Death | None = None) -> T | None:
        """The real one must do what the model does, say so after the commit, and leave other jobs alone."""
        before, announced, logged, cut = self.rows, len(self.world.committed), len(job.log), job.composition_version
        self.world.death = death
        answer = self.outcome(real)
        self.rows = self.world.rows()
        self.died = isinstance(answer, Killed)
        self.died_after = self.died and death is Death.AFTER_COMMIT
        if self.died and not self.died_after:
            assert self.rows == before
            self.restart()
            return None
        wanted = told(model)
        said = self.world.committed[announced:]
        if isinstance(wanted, No) or isinstance(answer, No):
            assert isinstance(wanted, No), answer
            assert isinstance(answer, No), wanted
            assert (answer.code, self.rows, said) == (wanted.code, before, [])
            return None
        assert beside(job.id, self.rows) == beside(job.id, before)
        if isinstance(answer, Killed):
            self.restart(unseen=job)
        else:
            self._check_said(job, said, wanted, cut)
        if self.rows == before:
            assert len(job.log) == logged
        else:
            self.check(job, logged)
        return None if isinstance(answer, Killed) else answer

    def outcome(self, real: Real[T]) -> T | No | Killed:
        """What comes of it."""
        try:
            return self.runner.run(real())
        except No as no:
            return no
        except DomainError as refusal:
            return No(refusal.code)
        except Fenced:
            return No()
        except Killed as killed:
            return killed
        finally:
            self.world.death = None

    def restart(self, unseen: ModelJob | None = None) -> None:
        """Kill the process and start another, which finds everything as it was seen last."""
        found = self.runner.run(self.world.kill())
        self.note(found.tickets)
        assert self.world.rows() == self.rows
        self.restarted = self.rows
        for job in self.jobs:
            real = self.runner.run(asking.whole(self.world.container, job.id, len(job.log)))
            known = self.checks.seen.get(job.id)
            assert real is not None
            if known is not None and job is not unseen:
                assert asking.steady(real) == asking.steady(known)

    def note(self, tickets: Sequence[Ticket]) -> None:
        """These were given out."""
        where = {scene.id: (job, scene) for job in self.jobs for scene in job.order}
        self.tickets += [Ticketed(*where[ticket.scene_id], ticket) for ticket in tickets]

    def check(self, job: ModelJob, logged: int) -> None:
        """The real job is the model's, and what is promised of every job holds; `logged` events were there before."""
        real = self.runner.run(asking.whole(self.world.container, job.id, logged))
        assert real is not None
        self.checks.check(job, real, rows_of(SCENE, job.id, self.rows), logged)
        (own,) = rows_of(JOB, job.id, self.rows)
        assert (own["retrying"], own["composition_version"]) == (job.retrying, job.composition_version)

    def _check_said(self, job: ModelJob, said: Sequence[Committed], wanted: Events, cut: int) -> None:
        """After the commit it was told what happened to the job, and what is to be done now."""
        assert {committed.job_id for committed in said} <= {job.id}
        assert [each.version for each in said if each.version is not None] == ([len(job.log)] if wanted else [])
        ordered = [each.assembly for each in said if each.assembly is not None]
        assert ordered == (
            [Assembly(job.id, job.composition_version)] if job.composition_version != cut and job.joinable else []
        )
        for committed in said:
            self.note(committed.tickets)

    @invariant()
    def what_waits_for_us_was_dispatched_and_is_found_again(self) -> None:
        """No scene waits without a ticket, and the reconciler would find exactly what is open with us."""
        if self.rows == self._reconciled:
            return
        self._reconciled = self.rows
        found = self.runner.run(self.world.reconciled())
        dispatched = {(each.ticket.scene_id, each.ticket.take_number) for each in self.tickets}
        open_with_us = {
            (scene.id, scene.take)
            for job in self.jobs
            for scene in job.scenes
            if job.waits(scene) or (scene.status is PROCESSING and scene.ours)
        }
        assert {(ticket.scene_id, ticket.take_number) for ticket in found.tickets} == open_with_us
        assert open_with_us <= dispatched
        unjoined = {(job.id, job.composition_version) for job in self.jobs if job.stage is JobStage.ASSEMBLING}
        assert {(each.job_id, each.composition_version) for each in found.assemblies} == unjoined


def told(model: Callable[[], Events]) -> Events | No:
    """What the model answers."""
    try:
        return model()
    except No as no:
        return no
