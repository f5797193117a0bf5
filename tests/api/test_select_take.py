"""selectTake: an earlier take becomes the current take of its scene again."""

import asyncio
from datetime import datetime

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_TAKE, REPORTS_TO_REACH, a_job, a_job_of, accepted, report
from tests.support.queries import EVERYTHING, changes, missing, read_scene, refused, stale, state
from tests.support.rest_calls import data
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

SHOWN = """
status prompt percentage providerId output { url } failure { code } currentTake { number } startedAt finishedAt
attempts maxAttempts nextAttemptAt takes { number isCurrent status prompt output { url } }
"""


def clip_url(number: int) -> str:
    """Return the URL of the clip of a take."""
    return f"https://clips.test/{number}.mp4"


async def scene_with_takes(app: App, *ends: str) -> tuple[str, str]:
    """Make a scene with a completed first take and one more take for each end. Return the ids of job and scene."""
    made = await a_job(app, "Take 1")
    await report(app, made.scenes[0], "PROCESSING", "COMPLETED", outputUrl=clip_url(1), providerId="p-1")
    for number, end in enumerate(ends, start=2):
        await accepted(app, "regenerateScene", sceneId=made.scenes[0], prompt=f"Take {number}")
        fields: Json = {"outputUrl": clip_url(number)} if end == "COMPLETED" else {}
        await report(app, made.scenes[0], *REPORTS_TO_REACH[end], **fields)
    return made.id, made.scenes[0]


async def take_id(app: App, scene_id: str, number: int) -> str:
    """Return the id of a take."""
    takes: list[Json] = (await read_scene(app, scene_id, "takes { id number }"))["takes"]
    return next(each["id"] for each in takes if each["number"] == number)


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED", "CANCELED"])
async def test_selected_take_is_shown_by_its_scene(shared: App, end: str) -> None:
    """Its clip, prompt, provider id and times, in one event; the other takes are unchanged."""
    job_id, scene_id = await scene_with_takes(shared, end)
    before = await read_scene(shared, scene_id, SHOWN)
    first = (await read_scene(shared, scene_id, "takes { startedAt finishedAt }"))["takes"][1]
    version = (await jobs.job(shared, job_id, "version"))["version"]
    payload = await accepted(
        shared, "selectTake", f"scene {{ {SHOWN} version }} job {{ status }}", takeId=await take_id(shared, scene_id, 1)
    )
    after = payload["scene"]
    takes = [kept | {"isCurrent": kept["number"] == 1} for kept in before["takes"]]
    assert after == before | first | {
        "status": "COMPLETED",
        "prompt": "Take 1",
        "percentage": 100.0,
        "providerId": "p-1",
        "output": {"url": clip_url(1)},
        "failure": None,
        "currentTake": {"number": 1},
        "takes": takes,
        "version": version + 1,
    }
    assert payload["job"] == {"status": "COMPLETED"}
    expected = ["output", "providerId", "currentTake", *(["status"] if end != "COMPLETED" else []), "prompt"]
    happened = [("SCENE_TAKE_SELECTED", expected)]
    happened += [("JOB_SETTLED", ["status", "finishedAt"])] if end != "COMPLETED" else []
    # The job is complete, but clips that are stored elsewhere cannot be joined; the last event reports that as well.
    happened[-1][1].append("outputFailure")
    assert await changes(shared, job_id, version) == happened


async def test_takes_can_be_selected_repeatedly(shared: App) -> None:
    """The next take is numbered after the newest, and uses the shown prompt."""
    job_id, scene_id = await scene_with_takes(shared, "COMPLETED", "FAILED")
    for number in (1, 2, 1):
        await accepted(shared, "selectTake", takeId=await take_id(shared, scene_id, number))
        assert (await read_scene(shared, scene_id, "output { url }"))["output"] == {"url": clip_url(number)}
    await accepted(shared, "regenerateScene", sceneId=scene_id)
    scene = await read_scene(
        shared, scene_id, "status output { url } percentage takes { number prompt reason isCurrent }"
    )
    newest = {"number": 4, "prompt": "Take 1", "reason": "REGENERATE", "isCurrent": True}
    assert (scene["status"], scene["output"], scene["percentage"], scene["takes"][0]) == ("PENDING", None, None, newest)
    assert (await jobs.job(shared, job_id, "status")) == {"status": "PROCESSING"}


async def test_selected_take_completes_a_failed_job(shared: App) -> None:
    """Its progress as well."""
    job_id, scene_id = await scene_with_takes(shared, "FAILED")
    finished_at = (await jobs.job(shared, job_id, "finishedAt"))["finishedAt"]
    await accepted(shared, "selectTake", takeId=await take_id(shared, scene_id, 1))
    job = await jobs.job(shared, job_id, "status finishedAt progress { completed failed percentage }")
    assert datetime.fromisoformat(job.pop("finishedAt")) > datetime.fromisoformat(finished_at)
    assert job == {"status": "COMPLETED", "progress": {"completed": 1, "failed": 0, "percentage": 100.0}}


async def test_select_of_the_current_take_is_a_no_op(shared: App) -> None:
    """No event."""
    job_id, scene_id = await scene_with_takes(shared, "COMPLETED")
    before = await jobs.job(shared, job_id, EVERYTHING)
    await accepted(shared, "selectTake", takeId=await take_id(shared, scene_id, 2))
    assert await jobs.job(shared, job_id, EVERYTHING) == before


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ("PENDING", ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"]),
        ("PROCESSING", ["COMPLETED", "FAILED", "CANCELED"]),
    ],
)
async def test_select_of_a_take_is_refused_while_a_new_take_is_open(
    shared: App, status: str, allowed: list[str]
) -> None:
    """With the allowed transitions; after a cancel it is accepted."""
    job_id, scene_id = await scene_with_takes(shared, status)
    first_take = await take_id(shared, scene_id, 1)
    error = await refused(shared, job_id, "selectTake", takeId=first_take)
    assert error == state("INVALID_TRANSITION", "takeId", status, None, *allowed)
    await accepted(shared, "cancelScene", sceneId=scene_id)
    await accepted(shared, "selectTake", takeId=first_take)


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("end", ["FAILED", "CANCELED"])
async def test_select_of_a_take_without_a_clip_is_refused(shared: App, end: str) -> None:
    """The current take included."""
    job_id, scene_id = await scene_with_takes(shared, end, "COMPLETED", end)
    for number in (2, 4):
        error = await refused(shared, job_id, "selectTake", takeId=await take_id(shared, scene_id, number))
        assert error == state("INVALID_TRANSITION", "takeId", end, "COMPLETED")


@pytest.mark.sqlite_alone
async def test_select_of_a_missing_take_is_refused(shared: App) -> None:
    """An id of another kind included."""
    job_id, scene_id = await scene_with_takes(shared)
    for wrong in (NO_TAKE, scene_id, "", "a\0b"):
        assert await refused(shared, job_id, "selectTake", takeId=wrong) == missing("takeId", wrong)


@pytest.mark.sqlite_alone
async def test_select_of_a_take_with_a_stale_expected_version_is_refused(shared: App) -> None:
    """The version of the scene counts."""
    job_id, scene_id = await scene_with_takes(shared, "COMPLETED")
    first_take, version = await take_id(shared, scene_id, 1), (await read_scene(shared, scene_id, "version"))["version"]
    await jobs.retitle(shared, job_id, "Its job")
    error = await refused(shared, job_id, "selectTake", takeId=first_take, expectedVersion=version - 1)
    assert error == stale(version)
    await accepted(shared, "selectTake", takeId=first_take, expectedVersion=version)


@pytest.mark.sqlite_alone
async def test_select_of_a_take_of_a_deleted_scene_or_job_is_refused(shared: App) -> None:
    """Both are checked."""
    job_id, scene_id = await scene_with_takes(shared, "COMPLETED")
    first_take = await take_id(shared, scene_id, 1)
    for name, target in (("deleteScene", {"sceneId": scene_id}), ("deleteJob", {"jobId": job_id})):
        await accepted(shared, name, **target)
        assert await refused(shared, job_id, "selectTake", takeId=first_take) == state("ALREADY_DELETED", "takeId")


async def test_rest_shows_the_selected_take(shared: App) -> None:
    """With its clip, prompt and provider id."""
    job_id, scene_id = await scene_with_takes(shared, "FAILED")
    await accepted(shared, "selectTake", takeId=await take_id(shared, scene_id, 1))
    scene = await data(shared, "GET", job_id, scene_id)
    shown = {name: scene[name] for name in ("status", "video_url", "prompt", "provider_id", "failure")}
    assert shown == {
        "status": "completed",
        "video_url": clip_url(1),
        "prompt": "Take 1",
        "provider_id": "p-1",
        "failure": None,
    }


async def test_concurrent_select_of_a_take_and_regenerate(shared: App) -> None:
    """In either order no take number is used twice."""
    made = await a_job_of(shared, *["COMPLETED"] * 5)
    for scene_id in made.scenes:
        await accepted(shared, "regenerateScene", sceneId=scene_id)
        await report(shared, scene_id, "COMPLETED")
        first = await take_id(shared, scene_id, 1)
        selected, regenerated = await asyncio.gather(
            shared.mutate("selectTake", "errors { code }", takeId=first),
            shared.mutate("regenerateScene", "errors { code }", sceneId=scene_id),
        )
        assert regenerated["errors"] == []
        assert selected["errors"] in ([], [{"code": "INVALID_TRANSITION"}])
        scene = await read_scene(shared, scene_id, "status currentTake { number } takes { number }")
        assert scene == {
            "status": "PENDING",
            "currentTake": {"number": 3},
            "takes": [{"number": number} for number in (3, 2, 1)],
        }
