"""The base of the state machine: runs a command on the product and on the model, and compares the outcome."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from coordinator.commands.scene_progress import Fenced
from coordinator.renders.claim import Claim
from models.db.tables import JOB, SCENE
from models.db.turn_tables import JOB_TURN
from models.domain.access import LOCAL, Viewer
from models.domain.errors import DomainError
from models.domain.progress import JobStage
from models.writes.change import Assembly, Ticket
from models.writes.store import Committed
from tests.any_order import api
from tests.any_order.checks import Checks
from tests.any_order.env import CrashPoint, Env, Killed, rows_of, rows_of_others
from tests.any_order.model import ModelJob
from tests.any_order.model_scene import PROCESSING, ModelScene
from tests.any_order.model_state import Events, Refused
from tests.any_order.trace import Step
from tests.support.client import Json

T = TypeVar("T")
ModelCommand = Callable[[], Events]
RealCommand = Callable[[], Coroutine[Any, Any, T]]


class HeldClaim(NamedTuple):
    """A claim that a worker got at some time; it may be stale."""

    job: ModelJob
    scene: ModelScene
    claim: Claim


class IssuedTicket(NamedTuple):
    """A ticket that was enqueued at some time; it may be stale."""

    job: ModelJob
    scene: ModelScene
    ticket: Ticket


class KeyedRequest(NamedTuple):
    """An accepted mutation with an idempotency key, for a retry."""

    job: ModelJob
    mutation: str
    fields: Json
    scene_id: str


class Harness(RuleBasedStateMachine):
    """Everything but the rules.

    `rows` are the rows after the last step, `killed` says that the last step killed the process, and
    `killed_after_commit` that it did so after the commit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.runner = asyncio.Runner()
        self.resources = AsyncExitStack()
        self.jobs: list[ModelJob] = []
        self.tickets: list[IssuedTicket] = []
        self.claims: list[HeldClaim] = []
        self.keyed_requests: list[KeyedRequest] = []
        self.purged_scenes: set[str] = set()
        self.checks = Checks()
        self.killed = self.killed_after_commit = False
        folder = self.resources.enter_context(tempfile.TemporaryDirectory())
        self.env = self.runner.run(self._make_env(Path(folder)))
        self.rows = self.env.rows()
        self.rows_at_restart: list[str] = []
        self._rows_at_reconcile: list[str] = []
        self._keys = 0

    async def _make_env(self, folder: Path) -> Env:
        return Env(folder)

    def teardown(self) -> None:
        """Check the logs, then release everything; Hypothesis calls this after each example."""
        try:
            self.check_full_logs()
        finally:
            self.close()

    def check_full_logs(self) -> None:
        """The whole log of each job is what its steps added."""
        for job in self.jobs:
            log = self.runner.run(api.full_log(self.env.container, job.id))
            assert [event["version"] for event in log] == list(range(1, len(job.log) + 1))
            assert [event["type"] for event in log] == job.log

    def close(self) -> None:
        """Release everything."""
        self.runner.run(self.env.close())
        self.runner.run(self.resources.aclose())
        self.runner.close()

    def new_key(self) -> str:
        """Return an unused idempotency key."""
        self._keys += 1
        return f"key-{self._keys}"

    def mutate(
        self,
        job: ModelJob,
        model: ModelCommand,
        mutation: str,
        fields: Json,
        viewer: Viewer = LOCAL,
        crash: CrashPoint | None = None,
    ) -> Json | None:
        """Run a mutation; return its payload, or None when it was refused or the process was killed."""
        payload = self.run(job, model, lambda: api.mutate(self.env.container, mutation, fields, viewer), crash)
        self.check_payload(job, mutation, fields, payload)
        return payload

    def check_payload(self, job: ModelJob, mutation: str, fields: Json, payload: Json | None) -> None:
        """A payload shows the state after the change; a committed request with a key can be retried from now on."""
        if payload is not None:
            real = self.checks.last[job.id]
            assert payload["job"] == api.payload_job(payload["job"], real)
            if payload.get("scene") is not None:
                scene = payload["scene"]
                (same,) = [each for each in real["scenes"]["nodes"] if each["id"] == scene["id"]]
                assert scene == api.payload_scene(scene, same)
        if "idempotencyKey" in fields and (payload is not None or self.killed_after_commit):
            self.keyed_requests.append(KeyedRequest(job, mutation, fields, self._scene_of(job, mutation, fields)))

    def _scene_of(self, job: ModelJob, mutation: str, fields: Json) -> str:
        """Return the id of the scene that an accepted mutation is about; empty when it is about the job."""
        if mutation == "addScene":
            # Ids are ordered by the time at which they were made.
            return max(row["id"] for row in rows_of(SCENE, job.id, self.rows))
        return fields.get("sceneId", "")

    def new_scene_id(self, job: ModelJob) -> str:
        """Return the id of the scene that the model does not know yet; empty when there is none."""
        known = {scene.id for scene in job.order}
        new = [row["id"] for row in rows_of(SCENE, job.id, self.rows) if row["id"] not in known]
        return new[0] if new else ""

    def run(
        self, job: ModelJob, model: ModelCommand, real: RealCommand[T], crash: CrashPoint | None = None
    ) -> T | None:
        """Run a command on both: same outcome, reported after the commit, and no other job changes."""
        before, reported, logged = self.rows, len(self.env.committed), len(job.log)
        composition_version = job.composition_version
        self.env.crash = crash
        result = self.outcome(real)
        self.rows = self.env.rows()
        self.killed = isinstance(result, Killed)
        self.killed_after_commit = self.killed and crash is CrashPoint.AFTER_COMMIT
        if self.killed and not self.killed_after_commit:
            assert self.rows == before
            self.restart()
            return None
        expected = run_model(model)
        commits = self.env.committed[reported:]
        if isinstance(expected, Refused) or isinstance(result, Refused):
            assert isinstance(expected, Refused), result
            assert isinstance(result, Refused), expected
            assert (result.code, self.rows, commits) == (expected.code, before, [])
            return None
        assert rows_of_others(job.id, self.rows) == rows_of_others(job.id, before)
        if isinstance(result, Killed):
            self.restart(changed=job)
        else:
            self._check_commits(job, commits, expected, composition_version)
        if self.rows == before:
            assert len(job.log) == logged
        else:
            self.check_job(job, logged)
        return None if isinstance(result, Killed) else result

    def outcome(self, real: RealCommand[T]) -> T | Refused | Killed:
        """Run a command of the product; return its result, refusal or crash."""
        try:
            return self.runner.run(real())
        except Refused as refused:
            return refused
        except DomainError as error:
            return Refused(error.code)
        except Fenced:
            return Refused()
        except Killed as killed:
            return killed
        finally:
            self.env.crash = None

    def restart(self, changed: ModelJob | None = None) -> None:
        """Kill the process and start another; every job but the one that just changed shows what it showed before."""
        queue = self.runner.run(self.env.restart())
        self.add_tickets(queue.tickets)
        assert self.env.rows() == self.rows
        self.rows_at_restart = self.rows
        for job in self.jobs:
            real = self.runner.run(api.full_job(self.env.container, job.id, len(job.log)))
            before = self.checks.last.get(job.id)
            assert real is not None
            if before is not None and job is not changed:
                assert api.own_fields(real) == api.own_fields(before)

    def add_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Record enqueued tickets."""
        owners = {scene.id: (job, scene) for job in self.jobs for scene in job.order}
        self.tickets += [IssuedTicket(*owners[ticket.scene_id], ticket) for ticket in tickets]

    def check_job(self, job: ModelJob, logged: int) -> None:
        """Compare a job with its model; the log had `logged` events at the last check."""
        real = self.runner.run(api.full_job(self.env.container, job.id, logged))
        assert real is not None
        self.checks.check(job, real, rows_of(SCENE, job.id, self.rows), logged)
        (row,) = rows_of(JOB, job.id, self.rows)
        assert (row["retrying"], row["composition_version"]) == (job.retrying, job.composition_version)
        # A job takes turns while takes of it wait for our workers.
        assert len(rows_of(JOB_TURN, job.id, self.rows)) == any(job.is_queued(scene) for scene in job.scenes)

    def _check_commits(
        self, job: ModelJob, commits: Sequence[Committed], expected: Events, composition_version: int
    ) -> None:
        """After a commit the store reports the new version, the assembly and the tickets, of this job only."""
        assert {commit.job_id for commit in commits} <= {job.id}
        assert [each.version for each in commits if each.version is not None] == ([len(job.log)] if expected else [])
        assembled = job.composition_version != composition_version and job.can_be_assembled
        assemblies = [each.assembly.key for each in commits if each.assembly is not None]
        assert assemblies == ([Assembly(job.id, job.composition_version).key] if assembled else [])
        for commit in commits:
            self.add_tickets(commit.tickets)

    @invariant()
    def check_queue(self) -> None:
        """Every queued scene was enqueued, and the reconciler finds exactly the open renders and assemblies."""
        if self.rows == self._rows_at_reconcile:
            return
        self._rows_at_reconcile = self.rows
        queue = self.runner.run(self.env.reconcile())
        enqueued = {(each.ticket.scene_id, each.ticket.take_number) for each in self.tickets}
        open_renders = {
            (scene.id, scene.take)
            for job in self.jobs
            for scene in job.scenes
            if job.is_queued(scene) or (scene.status is PROCESSING and scene.leased)
        }
        assert {(ticket.scene_id, ticket.take_number) for ticket in queue.tickets} == open_renders
        assert open_renders <= enqueued
        assembling = {(job.id, job.composition_version) for job in self.jobs if job.stage is JobStage.ASSEMBLING}
        assert {(each.job_id, each.composition_version) for each in queue.assemblies} == assembling


def run_model(model: ModelCommand) -> Events | Refused:
    """Run a command of the model; return its events or its refusal."""
    try:
        return model()
    except Refused as refused:
        return refused
