"""A request that is repeated with its idempotency key, later or concurrently, acts once."""

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, a_job, a_job_of, accepted, report
from tests.support.property_settings import scaled
from tests.support.queries import EVERYTHING, log, refused, state
from tests.support.server_app import App, running

AT_ONCE = 40
# Requests that are sent twice at the same time: scenes added, scenes regenerated, and jobs for each action.
PAIRS = scaled(20)
ADDED, REGENERATED, JOBS_PER_ACTION = scaled(30), scaled(20), scaled(4)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

CONFLICT: Json = {
    "__typename": "ConflictError",
    "code": "IDEMPOTENCY_CONFLICT",
    "path": ["input", "idempotencyKey"],
    "currentVersion": None,
}
JOB_ACTIONS = {
    "startJob": "JOB_STARTED",
    "cancelJob": "JOB_CANCELED",
    "deleteJob": "JOB_DELETED",
    "restoreJob": "JOB_RESTORED",
}
NAMES = [*JOB_ACTIONS, "addScene", "regenerateScene"]
_numbers = itertools.count()


def new_key() -> str:
    """Return an idempotency key that no other test uses."""
    return f"key {next(_numbers)}"


async def create_job(app: App, **fields: object) -> str:
    """Create a job. Return its id."""
    payload = await accepted(app, "createJob", "job { id }", provider="external", **fields)
    return payload["job"]["id"]


async def job_count(app: App) -> int:
    """Return the number of jobs."""
    return (await app.execute("{ jobs { totalCount } }"))["jobs"]["totalCount"]


class TestCreateJob:
    """createJob with an idempotency key."""

    async def test_repeated_idempotency_key_returns_the_created_job(self, shared: App) -> None:
        """In its current state; no second job is created."""
        key, before = new_key(), await job_count(shared)
        fields: Json = {"title": "Once", "scenes": [{"prompt": "A kite"}], "metadata": {"a": 1, "b": 2}}
        first = await create_job(shared, **fields, idempotencyKey=key)
        await jobs.retitle(shared, first, "Renamed")
        payload = await accepted(
            shared, "createJob", "job { id title version }", provider="external", **fields, idempotencyKey=key
        )
        assert payload["job"] == {"id": first, "title": "Renamed", "version": 2}
        assert await job_count(shared) == before + 1

    async def test_concurrent_pairs_with_one_idempotency_key_create_one_job_each(self, shared: App) -> None:
        """Each pair creates a job."""
        before = await job_count(shared)
        keys = [new_key() for _ in range(PAIRS)]
        pairs = [(key, create_job(shared, title=key, idempotencyKey=key)) for key in keys for _ in "12"]
        jobs.seeded("pairs").shuffle(pairs)
        ids = await asyncio.gather(*(work for _, work in pairs))
        by_key = {(key, job_id) for (key, _), job_id in zip(pairs, ids, strict=True)}
        assert len(by_key) == PAIRS
        assert len(set(ids)) == PAIRS
        assert await job_count(shared) == before + PAIRS

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize(
        "other",
        [
            {"title": "Another"},
            {"metadata": {"a": 2}},
            {"scenes": [{"prompt": "A kite"}, {"prompt": "Another"}]},
            {"scenes": [{"prompt": "A kite", "durationSeconds": 6}]},
            {"start": True},
            {"provider": "scripted"},
        ],
    )
    async def test_idempotency_key_of_a_created_job_is_refused_for_other_fields(self, shared: App, other: Json) -> None:
        """Whichever field differs."""
        key = new_key()
        fields: Json = {"title": "Once", "provider": "external", "scenes": [{"prompt": "A kite"}]}
        await accepted(shared, "createJob", **fields, idempotencyKey=key)
        before = await job_count(shared)
        assert await refused(shared, NO_JOB, "createJob", **fields | other, idempotencyKey=key) == CONFLICT
        assert await job_count(shared) == before

    @pytest.mark.sqlite_alone
    async def test_idempotency_key_ignores_the_notation_of_the_request(self, shared: App) -> None:
        """Nulls, the order of JSON keys, and 5 for 5.0 do not matter."""
        key = new_key()
        first = await create_job(
            shared,
            title="Once",
            scenes=[{"prompt": "A", "durationSeconds": 5}],
            metadata={"a": 1, "b": 2},
            idempotencyKey=key,
        )
        second = await create_job(
            shared,
            title="Once",
            scenes=[{"prompt": "A", "durationSeconds": 5.0, "title": None}],
            metadata={"b": 2, "a": 1},
            start=False,
            idempotencyKey=key,
        )
        assert second == first

    async def test_refused_job_leaves_its_idempotency_key_free(self, shared: App) -> None:
        """A request that changed nothing is not remembered."""
        key = new_key()
        await refused(shared, NO_JOB, "createJob", title="", idempotencyKey=key)
        await create_job(shared, title="Now it is right", idempotencyKey=key)

    async def test_idempotency_key_survives_a_restart(self, tmp_path: Path) -> None:
        """It is stored in the database."""
        ids: set[str] = set()
        for _ in "12":
            async with running(tmp_path) as app:
                ids.add(await create_job(app, title="Once", idempotencyKey="the key"))
        assert len(ids) == 1


class TestJobMutations:
    """The mutations of a job and of one scene; batches are in test_batch_idempotency."""

    @pytest.mark.parametrize("name", NAMES)
    async def test_repeated_mutation_with_its_idempotency_key_acts_once(self, shared: App, name: str) -> None:
        """Three times in sequence, then eight times concurrently."""
        for repeat in (self._in_turn, self._at_once):
            made = await self._job_for(shared, name)
            fields = self._fields(name, made) | {"idempotencyKey": new_key()}
            version = (await jobs.job(shared, made.id, "version"))["version"]
            answers = await repeat(shared, name, fields)
            assert all(answer == answers[0] for answer in answers)
            happened = [kind for kind, _ in await log(shared, made.id, after=version)]
            assert (
                happened
                == {
                    "startJob": ["JOB_STARTED"],
                    "cancelJob": ["JOB_CANCELED", "SCENE_CANCELED", "JOB_SETTLED"],
                    "addScene": ["SCENE_ADDED"],
                    "regenerateScene": ["SCENE_REGENERATED"],
                    "deleteJob": ["JOB_DELETED"],
                    "restoreJob": ["JOB_RESTORED"],
                }[name]
            )

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("name", NAMES)
    async def test_idempotency_key_is_refused_for_another_mutation(self, shared: App, name: str) -> None:
        """On another job, or another mutation of the same job."""
        key = new_key()
        first, second = [await self._job_for(shared, name) for _ in "12"]
        await accepted(shared, name, **self._fields(name, first), idempotencyKey=key)
        error = await refused(shared, second.id, name, **self._fields(name, second), idempotencyKey=key)
        assert error == CONFLICT
        other = "cancelJob" if name == "startJob" else "startJob"
        assert await refused(shared, first.id, other, jobId=first.id, idempotencyKey=key) == CONFLICT

    async def test_idempotency_key_of_a_no_op_is_remembered(self, shared: App) -> None:
        """A repeated start is accepted even after the job has settled."""
        made = await a_job(shared, "One", start=True)
        key = new_key()
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "startJob", jobId=made.id, idempotencyKey=key)
        assert await jobs.job(shared, made.id, EVERYTHING) == before
        await report(shared, made.scenes[0], "COMPLETED")
        payload = await accepted(shared, "startJob", "job { status }", jobId=made.id, idempotencyKey=key)
        assert payload["job"] == {"status": "COMPLETED"}
        error = await refused(shared, made.id, "cancelJob", jobId=made.id, idempotencyKey=key)
        assert error == CONFLICT

    async def test_idempotency_key_of_a_refused_start_can_be_used_again(self, shared: App) -> None:
        """Once the start is possible."""
        made = await a_job(shared)
        key = new_key()
        error = await refused(shared, made.id, "startJob", jobId=made.id, idempotencyKey=key)
        assert error == state("INVALID_TRANSITION", "jobId")
        await accepted(shared, "addScene", jobId=made.id, scene={"prompt": "One"})
        payload = await accepted(shared, "startJob", "job { status }", jobId=made.id, idempotencyKey=key)
        assert payload["job"] == {"status": "PROCESSING"}

    async def test_retry_with_its_idempotency_key_is_answered_after_later_changes(self, shared: App) -> None:
        """Even if its expected version is stale by then."""
        made = await a_job_of(shared, "COMPLETED")
        version = (await jobs.job(shared, made.id, "scenes { nodes { version } }"))["scenes"]["nodes"][0]["version"]
        fields: Json = {"sceneId": made.scenes[0], "expectedVersion": version, "idempotencyKey": new_key()}
        await accepted(shared, "regenerateScene", **fields)
        await report(shared, made.scenes[0], "PROCESSING")
        payload = await accepted(shared, "regenerateScene", "scene { status takes { number } }", **fields)
        assert payload["scene"] == {"status": "PROCESSING", "takes": [{"number": 2}, {"number": 1}]}

    async def test_many_concurrent_pairs_with_idempotency_keys_act_once(self, shared: App) -> None:
        """Every request is sent twice at the same time."""
        grown = await a_job(shared)
        regenerated = await a_job(shared, *(f"Scene {number}" for number in range(REGENERATED)))
        done = [{"sceneId": scene_id, "status": "COMPLETED"} for scene_id in regenerated.scenes]
        await accepted(shared, "updateScenes", jobId=regenerated.id, scenes=done)
        requests: list[tuple[str, Json]] = [
            *(("addScene", {"jobId": grown.id, "scene": {"prompt": f"Scene {number}"}}) for number in range(ADDED)),
            *(("regenerateScene", {"sceneId": scene_id}) for scene_id in regenerated.scenes),
        ]
        acted = {name: [await self._job_for(shared, name) for _ in range(JOBS_PER_ACTION)] for name in JOB_ACTIONS}
        requests += [(name, {"jobId": made.id}) for name, each in acted.items() for made in each]
        pairs = [(name, fields | {"idempotencyKey": new_key()}) for name, fields in requests]
        twice = [*pairs, *pairs]
        jobs.seeded("many pairs").shuffle(twice)
        # Bounds the requests in flight, so that a busy server answers each within the client's timeout.
        at_once = asyncio.Semaphore(AT_ONCE)

        async def send(name: str, fields: Json) -> None:
            async with at_once:
                await accepted(shared, name, **fields)

        await asyncio.gather(*(send(name, fields) for name, fields in twice))
        assert (await jobs.job(shared, grown.id, "version scenes { totalCount }")) == {
            "version": 1 + ADDED,
            "scenes": {"totalCount": ADDED},
        }
        assert [kind for kind, _ in await log(shared, regenerated.id)].count("SCENE_REGENERATED") == REGENERATED
        for name, each in acted.items():
            for made in each:
                assert [kind for kind, _ in await log(shared, made.id)].count(JOB_ACTIONS[name]) == 1

    async def _job_for(self, app: App, name: str) -> jobs.Made:
        """Return a job in a state in which the mutation is accepted."""
        at_rest = name in ("regenerateScene", "deleteJob", "restoreJob")
        made = await a_job_of(app, "COMPLETED") if at_rest else await a_job(app, "One")
        if name == "restoreJob":
            await accepted(app, "deleteJob", jobId=made.id)
        return made

    def _fields(self, name: str, made: jobs.Made) -> Json:
        match name:
            case "addScene":
                return {"jobId": made.id, "scene": {"prompt": "New"}}
            case "regenerateScene":
                return {"sceneId": made.scenes[0]}
            case _:
                return {"jobId": made.id}

    async def _in_turn(self, app: App, name: str, fields: Json) -> list[Json]:
        return [await accepted(app, name, "job { id version }", **fields) for _ in range(3)]

    async def _at_once(self, app: App, name: str, fields: Json) -> list[Json]:
        works = [accepted(app, name, "job { id version }", **fields) for _ in range(8)]
        return await asyncio.gather(*works)
