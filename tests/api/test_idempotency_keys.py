"""The same request with the same key, again or at the same time, does nothing twice."""

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

AT_ONCE = 60
# Requests that are sent twice at the same time: scenes added, scenes regenerated, and jobs for each action.
ADDED, REMADE, OF_EACH = scaled(100), scaled(60), scaled(10)

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


def a_key() -> str:
    """A key that no other test uses."""
    return f"key {next(_numbers)}"


async def created(app: App, **fields: object) -> str:
    """Create a job; answers its id."""
    payload = await accepted(app, "createJob", "job { id }", provider="external", **fields)
    return payload["job"]["id"]


async def total(app: App) -> int:
    """How many jobs there are."""
    return (await app.execute("{ jobs { totalCount } }"))["jobs"]["totalCount"]


class TestCreateJob:
    """One job for each key."""

    async def test_again(self, shared: App) -> None:
        """The first answer again: the job as it is by now."""
        key, before = a_key(), await total(shared)
        fields: Json = {"title": "Once", "scenes": [{"prompt": "A kite"}], "metadata": {"a": 1, "b": 2}}
        first = await created(shared, **fields, idempotencyKey=key)
        await jobs.retitle(shared, first, "Renamed")
        payload = await accepted(
            shared, "createJob", "job { id title version }", provider="external", **fields, idempotencyKey=key
        )
        assert payload["job"] == {"id": first, "title": "Renamed", "version": 2}
        assert await total(shared) == before + 1

    async def test_at_the_same_time(self, shared: App) -> None:
        """Fifty pairs make fifty jobs, each pair one."""
        before = await total(shared)
        keys = [a_key() for _ in range(50)]
        pairs = [(key, created(shared, title=key, idempotencyKey=key)) for key in keys for _ in "12"]
        jobs.seeded("pairs").shuffle(pairs)
        ids = await asyncio.gather(*(work for _, work in pairs))
        by_key = {(key, job_id) for (key, _), job_id in zip(pairs, ids, strict=True)}
        assert len(by_key) == 50
        assert len(set(ids)) == 50
        assert await total(shared) == before + 50

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
    async def test_another_request_with_the_key_is_refused(self, shared: App, other: Json) -> None:
        """Whatever differs."""
        key = a_key()
        fields: Json = {"title": "Once", "provider": "external", "scenes": [{"prompt": "A kite"}]}
        await accepted(shared, "createJob", **fields, idempotencyKey=key)
        before = await total(shared)
        assert await refused(shared, NO_JOB, "createJob", **fields | other, idempotencyKey=key) == CONFLICT
        assert await total(shared) == before

    async def test_a_request_is_what_it_means(self, shared: App) -> None:
        """Not how it is written: nulls, the order of keys, five for 5.0."""
        key = a_key()
        first = await created(
            shared,
            title="Once",
            scenes=[{"prompt": "A", "durationSeconds": 5}],
            metadata={"a": 1, "b": 2},
            idempotencyKey=key,
        )
        second = await created(
            shared,
            title="Once",
            scenes=[{"prompt": "A", "durationSeconds": 5.0, "title": None}],
            metadata={"b": 2, "a": 1},
            start=False,
            idempotencyKey=key,
        )
        assert second == first

    async def test_a_refused_request_leaves_the_key_free(self, shared: App) -> None:
        """What was not done is not remembered."""
        key = a_key()
        await refused(shared, NO_JOB, "createJob", title="", idempotencyKey=key)
        await created(shared, title="Now it is right", idempotencyKey=key)

    async def test_a_key_outlives_the_process(self, tmp_path: Path) -> None:
        """It is kept beside what it did."""
        ids: set[str] = set()
        for _ in "12":
            async with running(tmp_path) as app:
                ids.add(await created(app, title="Once", idempotencyKey="the key"))
        assert len(ids) == 1


class TestOnAJob:
    """The mutations of a job and of its scenes; those of many scenes are in test_batches."""

    @pytest.mark.parametrize("name", NAMES)
    async def test_again(self, shared: App, name: str) -> None:
        """One after the other, then twenty at the same time: it happens once."""
        for repeat in (self._in_turn, self._at_once):
            made = await self._made(shared, name)
            fields = self._fields(name, made) | {"idempotencyKey": a_key()}
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

    @pytest.mark.parametrize("name", NAMES)
    async def test_another_request_with_the_key_is_refused(self, shared: App, name: str) -> None:
        """On another job, or another verb on the same."""
        key = a_key()
        first, second = [await self._made(shared, name) for _ in "12"]
        await accepted(shared, name, **self._fields(name, first), idempotencyKey=key)
        error = await refused(shared, second.id, name, **self._fields(name, second), idempotencyKey=key)
        assert error == CONFLICT
        other = "cancelJob" if name == "startJob" else "startJob"
        assert await refused(shared, first.id, other, jobId=first.id, idempotencyKey=key) == CONFLICT

    async def test_what_was_nothing_is_remembered_too(self, shared: App) -> None:
        """To start what is started is an answer; it stays the answer when the job has ended since."""
        made = await a_job(shared, "One", start=True)
        key = a_key()
        before = await jobs.job(shared, made.id, EVERYTHING)
        await accepted(shared, "startJob", jobId=made.id, idempotencyKey=key)
        assert await jobs.job(shared, made.id, EVERYTHING) == before
        await report(shared, made.scenes[0], "COMPLETED")
        payload = await accepted(shared, "startJob", "job { status }", jobId=made.id, idempotencyKey=key)
        assert payload["job"] == {"status": "COMPLETED"}
        error = await refused(shared, made.id, "cancelJob", jobId=made.id, idempotencyKey=key)
        assert error == CONFLICT

    async def test_what_was_refused_may_be_tried_again(self, shared: App) -> None:
        """With the same key, when it can be done."""
        made = await a_job(shared)
        key = a_key()
        error = await refused(shared, made.id, "startJob", jobId=made.id, idempotencyKey=key)
        assert error == state("INVALID_TRANSITION", "jobId")
        await accepted(shared, "addScene", jobId=made.id, scene={"prompt": "One"})
        payload = await accepted(shared, "startJob", "job { status }", jobId=made.id, idempotencyKey=key)
        assert payload["job"] == {"status": "PROCESSING"}

    async def test_a_retry_is_answered_whatever_happened_since(self, shared: App) -> None:
        """Also when it named the version it was made against."""
        made = await a_job_of(shared, "COMPLETED")
        version = (await jobs.job(shared, made.id, "scenes { nodes { version } }"))["scenes"]["nodes"][0]["version"]
        fields: Json = {"sceneId": made.scenes[0], "expectedVersion": version, "idempotencyKey": a_key()}
        await accepted(shared, "regenerateScene", **fields)
        await report(shared, made.scenes[0], "PROCESSING")
        payload = await accepted(shared, "regenerateScene", "scene { status takes { number } }", **fields)
        assert payload["scene"] == {"status": "PROCESSING", "takes": [{"number": 2}, {"number": 1}]}

    async def test_two_hundred_pairs(self, shared: App) -> None:
        """Every request is sent twice at the same time, and is done once."""
        grown = await a_job(shared)
        remade = await a_job(shared, *(f"Scene {number}" for number in range(REMADE)))
        done = [{"sceneId": scene_id, "status": "COMPLETED"} for scene_id in remade.scenes]
        await accepted(shared, "updateScenes", jobId=remade.id, scenes=done)
        asked: list[tuple[str, Json]] = [
            *(("addScene", {"jobId": grown.id, "scene": {"prompt": f"Scene {number}"}}) for number in range(ADDED)),
            *(("regenerateScene", {"sceneId": scene_id}) for scene_id in remade.scenes),
        ]
        acted = {name: [await self._made(shared, name) for _ in range(OF_EACH)] for name in JOB_ACTIONS}
        asked += [(name, {"jobId": made.id}) for name, each in acted.items() for made in each]
        pairs = [(name, fields | {"idempotencyKey": a_key()}) for name, fields in asked]
        twice = [*pairs, *pairs]
        jobs.seeded("two hundred pairs").shuffle(twice)
        # As many as a busy server answers within a client's patience.
        at_once = asyncio.Semaphore(AT_ONCE)

        async def ask(name: str, fields: Json) -> None:
            async with at_once:
                await accepted(shared, name, **fields)

        await asyncio.gather(*(ask(name, fields) for name, fields in twice))
        assert (await jobs.job(shared, grown.id, "version scenes { totalCount }")) == {
            "version": 1 + ADDED,
            "scenes": {"totalCount": ADDED},
        }
        assert [kind for kind, _ in await log(shared, remade.id)].count("SCENE_REGENERATED") == REMADE
        for name, each in acted.items():
            for made in each:
                assert [kind for kind, _ in await log(shared, made.id)].count(JOB_ACTIONS[name]) == 1

    async def _made(self, app: App, name: str) -> jobs.Made:
        """A job to which it can be done."""
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
        works = [accepted(app, name, "job { id version }", **fields) for _ in range(20)]
        return await asyncio.gather(*works)
