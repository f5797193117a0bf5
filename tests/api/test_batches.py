"""The same done to many scenes at once: all or none of them, or as many as can be."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE, REPORTS_TO_REACH, STATUSES, a_job, a_job_of, accepted
from tests.support.property_settings import scaled
from tests.support.queries import EVERYTHING, changes, invalid, log, missing, play_order, read_scene, stale, state
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

ERRORS = """errors {
  __typename code path
  ... on NotFoundError { id } ... on StateError { from to allowed } ... on ConflictError { currentVersion }
}"""
ANSWER = f"""
results {{ sceneId scene {{ id status position }} {ERRORS} }} succeeded failed dryRun job {{ id status }} {ERRORS}
"""
# The batches that name scenes by id or status: the events of the single verb, and the statuses it accepts.
VERBS = {
    "regenerateScenes": ("SCENE_REGENERATED", ["COMPLETED", "FAILED", "CANCELED"]),
    "cancelScenes": ("SCENE_CANCELED", ["PENDING", "PROCESSING"]),
    "deleteScenes": ("SCENE_DELETED", ["COMPLETED", "FAILED", "CANCELED"]),
    "restoreScenes": ("SCENE_RESTORED", ["COMPLETED", "FAILED", "CANCELED"]),
}


async def batch(app: App, name: str, **fields: Any) -> Json:
    """Send one; its numbers must be those of its results."""
    payload = await app.mutate(name, ANSWER, **fields)
    failed = sum(bool(result["errors"]) for result in payload["results"])
    assert (payload["failed"], payload["succeeded"]) == (failed, len(payload["results"]) - failed)
    assert all((result["scene"] is None) == bool(result["errors"]) for result in payload["results"])
    return payload


async def ready(app: App, name: str) -> jobs.Made:
    """A job of two scenes in each status that the verb accepts, and for a restore, deleted."""
    _, statuses = VERBS[name]
    made = await a_job_of(app, *statuses, *statuses)
    if name == "restoreScenes":
        await batch(app, "deleteScenes", jobId=made.id, sceneIds=made.scenes)
    return made


def aborted(*path: str) -> Json:
    """The error of a good scene in a batch that was refused for another."""
    return invalid(*path, code="BATCH_ABORTED")


class TestByIds:
    """The scenes are named."""

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_each_in_the_order_of_the_input(self, shared: App, name: str) -> None:
        """One event for each, and one version after the other."""
        made = await ready(shared, name)
        version = (await jobs.job(shared, made.id, "version"))["version"]
        wanted = jobs.seeded(name).sample(made.scenes, len(made.scenes))
        payload = await batch(shared, name, jobId=made.id, sceneIds=wanted)
        assert [result["sceneId"] for result in payload["results"]] == wanted
        assert (payload["succeeded"], payload["errors"], payload["dryRun"]) == (len(wanted), [], False)
        happened = await log(shared, made.id, after=version)
        assert [event for event in happened if event[1] is not None] == [(VERBS[name][0], each) for each in wanted]
        assert {kind for kind, scene_id in happened if scene_id is None} <= {"JOB_SETTLED"}

    async def test_two_hundred(self, shared: App) -> None:
        """As many as a job can have; the order comes back from a batch, too."""
        names = [f"Scene {number}" for number in range(200)]
        made = await a_job(shared, *names)
        chance = jobs.seeded("two hundred")
        for name, left in (("deleteScenes", []), ("restoreScenes", names)):
            payload = await batch(shared, name, jobId=made.id, sceneIds=chance.sample(made.scenes, 200))
            assert payload["succeeded"] == 200
            assert await play_order(shared, made.id) == left

    async def test_each_is_refused_for_its_own_reason(self, shared: App) -> None:
        """Of another job, not there, named twice, in the wrong state, deleted."""
        made = await a_job_of(shared, "COMPLETED", "PENDING", "COMPLETED", "COMPLETED")
        await accepted(shared, "cancelJob", jobId=made.id)
        await accepted(shared, "deleteScene", sceneId=made.scenes[3])
        await accepted(shared, "regenerateScene", sceneId=made.scenes[1])
        another = await a_job_of(shared, "COMPLETED")
        good, opened, also_good, deleted = made.scenes
        named = [good, opened, good, another.scenes[0], NO_SCENE, deleted, "a\0b", also_good]
        bad = {
            1: state("NOT_REGENERABLE", "", "PENDING", "PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"),
            2: invalid(),
            3: missing("", another.scenes[0], code="SCENE_NOT_IN_JOB"),
            4: missing("", NO_SCENE),
            5: state("ALREADY_DELETED", ""),
            6: missing("", "a\0b"),
        }
        errors = {place: error | {"path": ["input", "sceneIds", str(place)]} for place, error in bad.items()}
        before = await jobs.job(shared, made.id, EVERYTHING)
        payload = await batch(shared, "regenerateScenes", jobId=made.id, sceneIds=named)
        whole = [[errors.get(place, aborted("sceneIds", str(place)))] for place in range(len(named))]
        assert [result["errors"] for result in payload["results"]] == whole
        assert await jobs.job(shared, made.id, EVERYTHING) == before
        payload = await batch(shared, "regenerateScenes", jobId=made.id, sceneIds=named, policy="BEST_EFFORT")
        assert [result["errors"] for result in payload["results"]] == [
            [errors[place]] if place in errors else [] for place in range(len(named))
        ]
        happened = await log(shared, made.id, after=before["version"])
        assert happened == [("SCENE_REGENERATED", good), ("SCENE_REGENERATED", also_good)]

    async def test_nothing_good_is_nothing_done(self, shared: App) -> None:
        """By the best effort as well: no event, no version."""
        made = await a_job_of(shared, "COMPLETED", "FAILED")
        before = await jobs.job(shared, made.id, EVERYTHING)
        payload = await batch(shared, "cancelScenes", jobId=made.id, sceneIds=made.scenes, policy="BEST_EFFORT")
        assert payload["failed"] == 2
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_what_is_so_already_is_good(self, shared: App) -> None:
        """As with the single verb, without an event."""
        made = await a_job_of(shared, "CANCELED", "CANCELED")
        before = await jobs.job(shared, made.id, EVERYTHING)
        assert (await batch(shared, "cancelScenes", jobId=made.id, sceneIds=made.scenes))["succeeded"] == 2
        assert await jobs.job(shared, made.id, EVERYTHING) == before


class TestByStatus:
    """The scenes are those in a status at that moment."""

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_all_of_them_in_play_order(self, shared: App, name: str) -> None:
        """Of a restore, the deleted ones; what is refused among them is so by itself."""
        made = await ready(shared, name)
        _, statuses = VERBS[name]
        payload = await batch(shared, name, jobId=made.id, status=statuses[:2])
        places = [place for place in range(len(made.scenes)) if place % len(statuses) < 2]
        assert [result["sceneId"] for result in payload["results"]] == [made.scenes[place] for place in places]
        assert payload["succeeded"] == len(places)

    async def test_none_of_them(self, shared: App) -> None:
        """That is done at once."""
        made = await a_job_of(shared, "COMPLETED")
        payload = await batch(shared, "regenerateScenes", jobId=made.id, status=["FAILED"])
        assert (payload["results"], payload["errors"]) == ([], [])

    async def test_what_failed_is_rendered_again(self, shared: App) -> None:
        """As a front end's button does it: by our own workers, to the end."""
        made = await jobs.make(
            shared, jobs.scene(outcome="fail", retryable=False, steps=1), jobs.scene(steps=1), start=True
        )
        assert await jobs.settled(shared, made.id) == "FAILED"
        await accepted(shared, "updateScene", sceneId=made.scenes[0], metadata={"script": {"steps": 1}})
        await batch(shared, "regenerateScenes", jobId=made.id, status=["FAILED"])
        assert await jobs.settled(shared, made.id) == "COMPLETED"

    async def test_a_refusal_names_the_status(self, shared: App) -> None:
        """There is no id in the input to point at."""
        made = await a_job_of(shared, "COMPLETED", "PENDING")
        payload = await batch(shared, "deleteScenes", jobId=made.id, status=["COMPLETED"])
        assert payload["results"][0]["errors"] == [state("JOB_PROCESSING", "status")]


class TestUpdate:
    """Each scene with edits of its own."""

    async def test_edits_and_reports(self, shared: App) -> None:
        """As the single verb would make them, one event each; what is the same is none."""
        made = await a_job_of(shared, "PENDING", "PROCESSING", "COMPLETED", "PENDING")
        version = (await jobs.job(shared, made.id, "version"))["version"]
        edits: list[Json] = [
            {"title": "First", "prompt": "A red kite"},
            {"status": "COMPLETED", "outputUrl": "https://clips.test/2.mp4", "jobId": made.id},
            {"status": "COMPLETED"},
            {"status": "FAILED", "failure": {"code": "NSFW", "message": "No"}},
        ]
        scenes = [{"sceneId": scene_id, **edit} for scene_id, edit in zip(made.scenes, edits, strict=True)]
        payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes)
        assert [result["scene"]["status"] for result in payload["results"]] == [
            "PENDING",
            "COMPLETED",
            "COMPLETED",
            "FAILED",
        ]
        assert await changes(shared, made.id, version) == [
            ("SCENE_UPDATED", ["title", "prompt"]),
            ("SCENE_COMPLETED", ["status", "output"]),
            ("SCENE_FAILED", ["status"]),
        ]

    async def test_everything_wrong_with_each(self, shared: App) -> None:
        """With the place of each field in the input."""
        made, another = await a_job_of(shared, "PENDING", "COMPLETED", "PENDING", "PENDING"), await a_job(shared)
        version = (await read_scene(shared, made.scenes[2], "version"))["version"]
        scenes: list[Json] = [
            {"sceneId": made.scenes[0], "prompt": "", "durationSeconds": 61},
            {"sceneId": made.scenes[1], "status": "FAILED"},
            {"sceneId": made.scenes[2], "title": "New", "expectedVersion": version + 1},
            {"sceneId": made.scenes[3], "title": "New", "jobId": another.id},
            {"sceneId": made.scenes[3], "title": "New"},
            {"sceneId": NO_SCENE},
        ]
        before = await jobs.job(shared, made.id, EVERYTHING)
        payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes, policy="BEST_EFFORT")
        assert [result["errors"] for result in payload["results"]] == [
            [invalid("scenes", "0", "prompt"), invalid("scenes", "0", "durationSeconds")],
            [state("INVALID_TRANSITION", "", "COMPLETED", "FAILED") | {"path": ["input", "scenes", "1", "status"]}],
            [stale(version) | {"path": ["input", "scenes", "2", "expectedVersion"]}],
            [missing("", made.scenes[3], code="SCENE_NOT_IN_JOB") | {"path": ["input", "scenes", "3", "jobId"]}],
            [invalid("scenes", "4", "sceneId")],
            [missing("", NO_SCENE) | {"path": ["input", "scenes", "5", "sceneId"]}],
        ]
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_what_is_refused_leaves_no_trace(self, shared: App) -> None:
        """Not even the start of the job that a good report would have been."""
        made = await a_job(shared, "One", "Two")
        scenes: list[Json] = [
            {"sceneId": made.scenes[0], "status": "PROCESSING", "failure": {"code": "X", "message": "Y"}},
            {"sceneId": made.scenes[1], "title": "New"},
        ]
        payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes, policy="BEST_EFFORT")
        assert (payload["succeeded"], payload["job"]["status"]) == (1, "PENDING")
        assert await log(shared, made.id, after=1) == [("SCENE_UPDATED", made.scenes[1])]


class TestTheWholeRequest:
    """What is refused before any scene is looked at."""

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_which_scenes(self, shared: App, name: str) -> None:
        """One of the two, and neither none nor too many."""
        made = await a_job(shared, "One")
        named, limit = made.scenes, "LIMIT_EXCEEDED"
        wrong: list[tuple[Json, Json]] = [
            ({}, invalid("sceneIds")),
            ({"sceneIds": named, "status": ["PENDING"]}, invalid("sceneIds")),
            ({"sceneIds": []}, invalid("sceneIds")),
            ({"status": []}, invalid("status")),
            ({"sceneIds": named * 201}, invalid("sceneIds", code=limit)),
            ({"sceneIds": named, "idempotencyKey": ""}, invalid("idempotencyKey")),
        ]
        for fields, error in wrong:
            payload = await batch(shared, name, jobId=made.id, **fields)
            assert (payload["errors"], payload["results"], payload["job"]) == ([error], [], None), fields
        payload = await batch(shared, name, jobId=NO_JOB, sceneIds=made.scenes)
        assert payload["errors"] == [missing("jobId", NO_JOB)]

    async def test_how_many_edits(self, shared: App) -> None:
        """One to two hundred."""
        made = await a_job(shared, "One")
        scenes: list[Json] = [{"sceneId": made.scenes[0], "title": "New"}]
        for number, error in ((0, invalid("scenes")), (201, invalid("scenes", code="LIMIT_EXCEEDED"))):
            payload = await batch(shared, "updateScenes", jobId=made.id, scenes=scenes * number)
            assert payload["errors"] == [error]


class TestDryRun:
    """It tells truly what would happen."""

    async def test_its_answer_is_the_real_one(self, shared: App) -> None:
        """In any state, for any batch: the same results, and the scenes as they would be; but nothing has changed."""
        chance = jobs.seeded("dry runs")
        another = (await a_job_of(shared, "COMPLETED")).scenes
        for _ in range(scaled(20)):
            made = await a_job_of(shared, *chance.choices(STATUSES, k=5))
            if chance.random() < 0.7:
                await accepted_or_not(shared, "cancelJob", jobId=made.id)
                await batch(
                    shared,
                    "deleteScenes",
                    jobId=made.id,
                    sceneIds=chance.sample(made.scenes, chance.randint(1, 3)),
                    policy="BEST_EFFORT",
                )
            name = chance.choice([*VERBS, "updateScenes", "updateScenes"])
            named = chance.choices([*made.scenes * 4, *another, NO_SCENE], k=chance.randint(1, 6))
            if chance.random() < 0.5:
                named = list(dict.fromkeys(named))
            fields: Json = {"jobId": made.id, "policy": chance.choice(["ALL_OR_NOTHING", "BEST_EFFORT"])}
            if name == "updateScenes":
                fields["scenes"] = [{"sceneId": scene_id, **an_edit(chance)} for scene_id in named]
            elif chance.random() < 0.5:
                fields["status"] = chance.sample(STATUSES, 3)
            else:
                fields["sceneIds"] = named
            before = await jobs.job(shared, made.id, EVERYTHING)
            dry = await foreseen(shared, name, dryRun=True, **fields)
            assert await jobs.job(shared, made.id, EVERYTHING) == before, (name, fields)
            real = await foreseen(shared, name, **fields)
            assert dry == real, (name, fields)

    async def test_it_remembers_nothing(self, shared: App) -> None:
        """The key is free for the real one; and nobody who watches hears of it."""
        made = await a_job_of(shared, "COMPLETED", "FAILED")
        fields: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "dry, then real"}
        document = "subscription($id: ID!) { jobEvents(jobId: $id) { __typename ... on JobEvent { type } } }"
        async with shared.subscribe(document, id=made.id) as stream:
            assert (await stream.next())["jobEvents"]["__typename"] == "JobSnapshot"
            for _ in range(2):
                dry = await batch(shared, "regenerateScenes", dryRun=True, **fields)
                assert (dry["dryRun"], dry["succeeded"], dry["job"]["status"]) == (True, 2, "FAILED")
                assert [result["scene"]["status"] for result in dry["results"]] == ["PENDING", "PENDING"]
            assert (await batch(shared, "regenerateScenes", **fields))["succeeded"] == 2
            assert (await stream.next())["jobEvents"]["type"] == "SCENE_REGENERATED"


class TestKeys:
    """The same request again is answered the same."""

    async def test_again(self, shared: App) -> None:
        """The results of the first time, refusals included, whatever happened since."""
        made = await a_job_of(shared, "COMPLETED", "PENDING", "FAILED")
        named = [*made.scenes, made.scenes[0], NO_SCENE]
        fields: Json = {"jobId": made.id, "sceneIds": named, "policy": "BEST_EFFORT", "idempotencyKey": "again"}
        first = await batch(shared, "regenerateScenes", **fields)
        assert first["succeeded"] == 2
        assert await batch(shared, "regenerateScenes", **fields) == first
        await accepted(shared, "cancelJob", jobId=made.id)
        version = (await jobs.job(shared, made.id, "version"))["version"]
        again = await batch(shared, "regenerateScenes", **fields)
        assert [result["errors"] for result in again["results"]] == [result["errors"] for result in first["results"]]
        assert (await jobs.job(shared, made.id, "version"))["version"] == version

    async def test_an_aborted_batch_leaves_the_key_free(self, shared: App) -> None:
        """What was not done is not remembered."""
        made = await a_job_of(shared, "COMPLETED", "PROCESSING")
        fields: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "aborted"}
        assert (await batch(shared, "regenerateScenes", **fields))["failed"] == 2
        await accepted(shared, "cancelScene", sceneId=made.scenes[1])
        assert (await batch(shared, "regenerateScenes", **fields))["succeeded"] == 2

    @pytest.mark.parametrize("name", sorted(VERBS))
    async def test_pairs_at_once(self, shared: App, name: str) -> None:
        """Each pair has one effect, and both are told of it."""
        made = await asyncio.gather(*(ready(shared, name) for _ in range(5)))
        works = [
            batch(shared, name, jobId=each.id, sceneIds=each.scenes, idempotencyKey=f"{name} {each.id}")
            for each in made
            for _ in "12"
        ]
        answers = await asyncio.gather(*works)
        assert all(answer["succeeded"] == len(answer["results"]) > 0 for answer in answers)
        for each in made:
            kinds = [kind for kind, _ in await log(shared, each.id)]
            assert kinds.count(VERBS[name][0]) == len(each.scenes)

    async def test_another_request_with_the_key(self, shared: App) -> None:
        """Another policy, other scenes, another verb."""
        made = await a_job_of(shared, "COMPLETED", "COMPLETED")
        fields: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "the one"}
        await batch(shared, "deleteScenes", **fields)
        for name, more in (
            ("deleteScenes", {"policy": "BEST_EFFORT"}),
            ("deleteScenes", {"sceneIds": made.scenes[:1]}),
            ("deleteScenes", {"sceneIds": None, "status": ["COMPLETED"]}),
            ("restoreScenes", {}),
        ):
            (error,) = (await batch(shared, name, **fields | more))["errors"]
            assert (error["code"], error["path"]) == ("IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])

    async def test_after_a_restart(self, tmp_path: Path) -> None:
        """It is kept beside what it did."""
        answers: list[Json] = []
        fields: Json = {}
        for _ in "12":
            async with running(tmp_path) as app:
                if not fields:
                    made = await a_job_of(app, "COMPLETED", "PENDING")
                    fields = {"jobId": made.id, "sceneIds": made.scenes, "policy": "BEST_EFFORT"}
                answers.append(await batch(app, "regenerateScenes", **fields, idempotencyKey="the key"))
        assert answers[0] == answers[1]
        assert answers[0]["succeeded"] == 1


def an_edit(chance: Any) -> Json:
    """Something for updateScene, good or bad."""
    return chance.choice(
        [
            {"title": "New"},
            {"title": ""},
            {"prompt": None},
            {"percentage": 50},
            {"expectedVersion": 3, "title": "New"},
            {"outputUrl": "https://clips.test/new.mp4"},
            *({"status": status} for status in REPORTS_TO_REACH),
        ]
    )


async def accepted_or_not(app: App, name: str, **fields: Any) -> None:
    """Do it if it can be done."""
    await app.mutate(name, "errors { code }", **fields)


async def foreseen(app: App, name: str, **fields: Any) -> Json:
    """What a dry run must know of the real one: all but ids of takes that are not made yet, and instants."""
    scene = """scene {
        id status position title prompt percentage attempts maxAttempts version providerId output { url }
        failure { code } availableActions allowedTransitions
    }"""
    errors = "errors { __typename code message path }"
    return await app.mutate(name, f"results {{ sceneId {scene} {errors} }} succeeded failed {errors}", **fields)
