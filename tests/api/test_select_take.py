"""An earlier take becomes the scene's clip again: nothing that was made is lost to a regenerate."""

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


def clip(number: int) -> str:
    """Where the clip of a take is."""
    return f"https://clips.test/{number}.mp4"


async def remade(app: App, *ends: str) -> tuple[str, str]:
    """A job with one scene that has a completed first take, and then one take for each of these ends."""
    made = await a_job(app, "Take 1")
    await report(app, made.scenes[0], "PROCESSING", "COMPLETED", outputUrl=clip(1), providerId="p-1")
    for number, end in enumerate(ends, start=2):
        await accepted(app, "regenerateScene", sceneId=made.scenes[0], prompt=f"Take {number}")
        fields: Json = {"outputUrl": clip(number)} if end == "COMPLETED" else {}
        await report(app, made.scenes[0], *REPORTS_TO_REACH[end], **fields)
    return made.id, made.scenes[0]


async def take(app: App, scene_id: str, number: int) -> str:
    """The id of a take."""
    takes: list[Json] = (await read_scene(app, scene_id, "takes { id number }"))["takes"]
    return next(each["id"] for each in takes if each["number"] == number)


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED", "CANCELED"])
async def test_the_scene_shows_it_again(shared: App, end: str) -> None:
    """Clip, prompt, provider's id and times of that take, in one event; the other takes stay as they are."""
    job_id, scene_id = await remade(shared, end)
    before = await read_scene(shared, scene_id, SHOWN)
    first = (await read_scene(shared, scene_id, "takes { startedAt finishedAt }"))["takes"][1]
    version = (await jobs.job(shared, job_id, "version"))["version"]
    payload = await accepted(
        shared, "selectTake", f"scene {{ {SHOWN} version }} job {{ status }}", takeId=await take(shared, scene_id, 1)
    )
    after = payload["scene"]
    takes = [kept | {"isCurrent": kept["number"] == 1} for kept in before["takes"]]
    assert after == before | first | {
        "status": "COMPLETED",
        "prompt": "Take 1",
        "percentage": 100.0,
        "providerId": "p-1",
        "output": {"url": clip(1)},
        "failure": None,
        "currentTake": {"number": 1},
        "takes": takes,
        "version": version + 1,
    }
    assert payload["job"] == {"status": "COMPLETED"}
    expected = ["output", "providerId", "currentTake", *(["status"] if end != "COMPLETED" else []), "prompt"]
    happened = [("SCENE_TAKE_SELECTED", expected)]
    happened += [("JOB_SETTLED", ["status", "finishedAt"])] if end != "COMPLETED" else []
    # The job is complete, but clips that are kept elsewhere cannot be joined; the last event tells that, too.
    happened[-1][1].append("outputFailure")
    assert await changes(shared, job_id, version) == happened


async def test_any_number_of_times(shared: App) -> None:
    """To and fro; the next take is numbered after the newest, and made from the prompt that is shown."""
    job_id, scene_id = await remade(shared, "COMPLETED", "FAILED")
    for number in (1, 2, 1):
        await accepted(shared, "selectTake", takeId=await take(shared, scene_id, number))
        assert (await read_scene(shared, scene_id, "output { url }"))["output"] == {"url": clip(number)}
    await accepted(shared, "regenerateScene", sceneId=scene_id)
    scene = await read_scene(
        shared, scene_id, "status output { url } percentage takes { number prompt reason isCurrent }"
    )
    newest = {"number": 4, "prompt": "Take 1", "reason": "REGENERATE", "isCurrent": True}
    assert (scene["status"], scene["output"], scene["percentage"], scene["takes"][0]) == ("PENDING", None, None, newest)
    assert (await jobs.job(shared, job_id, "status")) == {"status": "PROCESSING"}


async def test_the_job_is_what_its_scenes_are(shared: App) -> None:
    """A failed job is completed by it when nothing else failed, and its progress with it."""
    job_id, scene_id = await remade(shared, "FAILED")
    finished_at = (await jobs.job(shared, job_id, "finishedAt"))["finishedAt"]
    await accepted(shared, "selectTake", takeId=await take(shared, scene_id, 1))
    job = await jobs.job(shared, job_id, "status finishedAt progress { completed failed percentage }")
    assert datetime.fromisoformat(job.pop("finishedAt")) > datetime.fromisoformat(finished_at)
    assert job == {"status": "COMPLETED", "progress": {"completed": 1, "failed": 0, "percentage": 100.0}}


async def test_the_one_it_shows_is_left(shared: App) -> None:
    """No event."""
    job_id, scene_id = await remade(shared, "COMPLETED")
    before = await jobs.job(shared, job_id, EVERYTHING)
    await accepted(shared, "selectTake", takeId=await take(shared, scene_id, 2))
    assert await jobs.job(shared, job_id, EVERYTHING) == before


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ("PENDING", ["PROCESSING", "COMPLETED", "FAILED", "CANCELED"]),
        ("PROCESSING", ["COMPLETED", "FAILED", "CANCELED"]),
    ],
)
async def test_refused_while_another_is_made(shared: App, status: str, allowed: list[str]) -> None:
    """With what would be accepted; after a cancel it is accepted."""
    job_id, scene_id = await remade(shared, status)
    wanted = await take(shared, scene_id, 1)
    error = await refused(shared, job_id, "selectTake", takeId=wanted)
    assert error == state("INVALID_TRANSITION", "takeId", status, None, *allowed)
    await accepted(shared, "cancelScene", sceneId=scene_id)
    await accepted(shared, "selectTake", takeId=wanted)


@pytest.mark.parametrize("end", ["FAILED", "CANCELED"])
async def test_a_take_without_a_clip_is_refused(shared: App, end: str) -> None:
    """There is nothing to show; the current one included."""
    job_id, scene_id = await remade(shared, end, "COMPLETED", end)
    for number in (2, 4):
        error = await refused(shared, job_id, "selectTake", takeId=await take(shared, scene_id, number))
        assert error == state("INVALID_TRANSITION", "takeId", end, "COMPLETED")


async def test_a_take_that_is_not_there(shared: App) -> None:
    """Nor is what is no take."""
    job_id, scene_id = await remade(shared)
    for wrong in (NO_TAKE, scene_id, "", "a\0b"):
        assert await refused(shared, job_id, "selectTake", takeId=wrong) == missing("takeId", wrong)


async def test_a_scene_that_has_changed_since(shared: App) -> None:
    """It is the version of the scene that counts."""
    job_id, scene_id = await remade(shared, "COMPLETED")
    wanted, version = await take(shared, scene_id, 1), (await read_scene(shared, scene_id, "version"))["version"]
    await jobs.retitle(shared, job_id, "Its job")
    error = await refused(shared, job_id, "selectTake", takeId=wanted, expectedVersion=version - 1)
    assert error == stale(version)
    await accepted(shared, "selectTake", takeId=wanted, expectedVersion=version)


async def test_of_something_deleted(shared: App) -> None:
    """The scene, or its job."""
    job_id, scene_id = await remade(shared, "COMPLETED")
    wanted = await take(shared, scene_id, 1)
    for name, target in (("deleteScene", {"sceneId": scene_id}), ("deleteJob", {"jobId": job_id})):
        await accepted(shared, name, **target)
        assert await refused(shared, job_id, "selectTake", takeId=wanted) == state("ALREADY_DELETED", "takeId")


async def test_rest_shows_it(shared: App) -> None:
    """What GraphQL changed is visible there."""
    job_id, scene_id = await remade(shared, "FAILED")
    await accepted(shared, "selectTake", takeId=await take(shared, scene_id, 1))
    scene = await data(shared, "GET", job_id, scene_id)
    shown = {name: scene[name] for name in ("status", "video_url", "prompt", "provider_id", "failure")}
    assert shown == {
        "status": "completed",
        "video_url": clip(1),
        "prompt": "Take 1",
        "provider_id": "p-1",
        "failure": None,
    }


async def test_at_the_same_time_as_a_regenerate(shared: App) -> None:
    """One comes first, and whichever does, no take is numbered twice."""
    made = await a_job_of(shared, *["COMPLETED"] * 5)
    for scene_id in made.scenes:
        await accepted(shared, "regenerateScene", sceneId=scene_id)
        await report(shared, scene_id, "COMPLETED")
        first = await take(shared, scene_id, 1)
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
