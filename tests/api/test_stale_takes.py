"""Reports of external workers on takes that are not, or no longer, theirs."""

import asyncio
from typing import Any

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import CLIP_URL, a_job, accepted, report
from tests.support.queries import EVERYTHING
from tests.support.rest_calls import data, error, place
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

STALE = """errors { __typename code path message
    ... on StaleTakeError { currentTakeNumber currentProviderId } }"""


async def a_second_take(app: App, first: str = "p1") -> jobs.Made:
    """Create a job whose scene was canceled while a worker rendered it, and was regenerated."""
    made = await a_job(app, "A kite")
    await report(app, made.scenes[0], "PROCESSING", providerId=first)
    await accepted(app, "cancelScene", sceneId=made.scenes[0])
    await accepted(app, "regenerateScene", sceneId=made.scenes[0])
    return made


async def is_stale(app: App, made: jobs.Made, field: str, **fields: Any) -> Json:
    """Report on the scene, which must be refused and change nothing; return what is current."""
    before = await jobs.job(app, made.id, EVERYTHING)
    payload = await app.mutate("updateScene", STALE, sceneId=made.scenes[0], **fields)
    (refusal,) = payload["errors"]
    assert (refusal["__typename"], refusal["code"], refusal["path"]) == (
        "StaleTakeError",
        "STALE_TAKE",
        ["input", field],
    )
    assert refusal["message"].endswith(".")
    assert await jobs.job(app, made.id, EVERYTHING) == before
    return {"take": refusal["currentTakeNumber"], "id": refusal["currentProviderId"]}


@pytest.mark.parametrize("status", ["PROCESSING", "COMPLETED", "FAILED", None])
async def test_late_report_of_a_canceled_take_does_not_touch_the_next_one(shared: App, status: str | None) -> None:
    """Recognised by its provider id: while the next take waits, runs, and is finished."""
    made = await a_second_take(shared)
    late: Json = {"providerId": "p1"} | ({} if status is None else {"status": status})
    late |= {"outputUrl": CLIP_URL} if status in ("PROCESSING", "COMPLETED") else {}
    assert await is_stale(shared, made, "providerId", **late) == {"take": 2, "id": None}
    await report(shared, made.scenes[0], "PROCESSING", providerId="p2")
    assert await is_stale(shared, made, "providerId", **late) == {"take": 2, "id": "p2"}
    await report(shared, made.scenes[0], "COMPLETED", outputUrl=CLIP_URL)
    assert await is_stale(shared, made, "providerId", **late) == {"take": 2, "id": "p2"}


@pytest.mark.parametrize("number", [1, 3, 0, -1])
async def test_report_on_another_take_number_is_refused(shared: App, number: int) -> None:
    """An earlier take, one that is not there yet, and impossible ones; the current one is accepted."""
    made = await a_second_take(shared)
    fields: Json = {"status": "COMPLETED", "outputUrl": CLIP_URL}
    assert await is_stale(shared, made, "takeNumber", takeNumber=number, **fields) == {"take": 2, "id": None}
    await accepted(shared, "updateScene", sceneId=made.scenes[0], takeNumber=2, **fields)


async def test_second_worker_cannot_take_over_a_running_take(shared: App) -> None:
    """Although it names the take. The first may repeat its report, and go on without its provider id."""
    made = await a_job(shared, "A kite")
    await report(shared, made.scenes[0], "PROCESSING", providerId="w1")
    for status in ("PROCESSING", "COMPLETED", "FAILED"):
        for number in ({}, {"takeNumber": 1}):
            current = await is_stale(shared, made, "providerId", status=status, providerId="w2", **number)
            assert current == {"take": 1, "id": "w1"}
    await report(shared, made.scenes[0], "PROCESSING", providerId="w1", takeNumber=1)
    await accepted(shared, "updateScene", sceneId=made.scenes[0], percentage=50)
    await report(shared, made.scenes[0], "COMPLETED", outputUrl=CLIP_URL)


async def test_provider_id_of_a_running_take_cannot_be_removed(shared: App) -> None:
    """It would let a second worker in, and a late report of this take would be accepted as one on the next."""
    made = await a_job(shared, "A kite")
    await report(shared, made.scenes[0], "PROCESSING", providerId="w1")
    for fields in ({}, {"takeNumber": 1}, {"status": "PROCESSING"}, {"status": "FAILED"}, {"title": "Another"}):
        assert await is_stale(shared, made, "providerId", providerId=None, **fields) == {"take": 1, "id": "w1"}
    status, refusal = await error(shared, "PUT", *place(made), provider_id=None)
    assert (status, refusal["code"]) == (422, "STALE_TAKE")


async def test_of_workers_that_take_a_scene_up_at_once_only_one_is_accepted(shared: App) -> None:
    """Their reports wait for each other in the database."""
    made = await a_job(shared, "A kite")
    selection = "scene { providerId } errors { code }"
    reports = [
        shared.mutate("updateScene", selection, sceneId=made.scenes[0], status="PROCESSING", providerId=f"w{number}")
        for number in range(6)
    ]
    answers = await asyncio.gather(*reports)
    assert [answer["errors"] for answer in answers].count([{"code": "STALE_TAKE"}]) == 5
    (owner,) = [answer["scene"]["providerId"] for answer in answers if not answer["errors"]]
    current = await jobs.job(shared, made.id, "scenes { nodes { providerId } }")
    assert current["scenes"]["nodes"] == [{"providerId": owner}]


async def test_provider_id_of_a_waiting_take_can_be_corrected(shared: App) -> None:
    """Before a worker reports that it renders; from then on it is that of the worker."""
    made = await a_job(shared, "A kite")
    for provider_id in ("one", None, "two"):
        await accepted(shared, "updateScene", sceneId=made.scenes[0], providerId=provider_id)
    assert await is_stale(shared, made, "providerId", status="PROCESSING", providerId="one") == {"take": 1, "id": "two"}
    await report(shared, made.scenes[0], "PROCESSING", providerId="two")


async def test_provider_may_use_its_id_again_when_the_report_names_the_take(shared: App) -> None:
    """Such as a worker that derives the id from the scene."""
    made = await a_second_take(shared, "same")
    assert await is_stale(shared, made, "providerId", status="PROCESSING", providerId="same") == {"take": 2, "id": None}
    await report(shared, made.scenes[0], "PROCESSING", providerId="same", takeNumber=2)


async def test_report_of_a_take_that_is_no_longer_selected_is_refused(shared: App) -> None:
    """The selected take is the current one, whatever its number."""
    made = await a_job(shared, "A kite")
    await report(shared, made.scenes[0], "PROCESSING", "COMPLETED", providerId="p1", outputUrl=CLIP_URL)
    await accepted(shared, "regenerateScene", sceneId=made.scenes[0])
    await report(shared, made.scenes[0], "PROCESSING", "COMPLETED", providerId="p2", outputUrl=CLIP_URL)
    takes = (await jobs.job(shared, made.id, "scenes { nodes { takes { id number } } }"))["scenes"]["nodes"][0]["takes"]
    (first,) = [take["id"] for take in takes if take["number"] == 1]
    await accepted(shared, "selectTake", takeId=first)
    assert await is_stale(shared, made, "takeNumber", title="Late", takeNumber=2) == {"take": 1, "id": "p1"}
    assert await is_stale(shared, made, "providerId", title="Late", providerId="p2") == {"take": 1, "id": "p1"}


async def test_stale_report_in_a_batch_is_refused_alone(shared: App) -> None:
    """With the policy BEST_EFFORT; the report on the other scene is accepted."""
    made = await a_job(shared, "A kite", "A ship")
    scenes = [
        {"sceneId": scene, "status": "PROCESSING", "takeNumber": number}
        for scene, number in zip(made.scenes, (2, 1), strict=True)
    ]
    selection = f"results {{ scene {{ status }} {STALE} }} {STALE}"
    payload = await shared.mutate("updateScenes", selection, jobId=made.id, scenes=scenes, policy="BEST_EFFORT")
    stale, accepted_one = payload["results"]
    assert [each["code"] for each in stale["errors"]] == ["STALE_TAKE"]
    assert (accepted_one["scene"], accepted_one["errors"]) == ({"status": "PROCESSING"}, [])


async def test_rest_report_names_its_take(shared: App) -> None:
    """As `take_number`; the refusal has the current take in its details."""
    made = await a_second_take(shared)
    stale = {"code": "STALE_TAKE", "current_take_number": 2, "current_provider_id": None}
    for field, fields in (("take_number", {"take_number": 1}), ("provider_id", {"provider_id": "p1"})):
        status, refusal = await error(shared, "PUT", *place(made), status="completed", **fields)
        (detail,) = refusal["details"]
        assert (status, refusal["code"]) == (422, "STALE_TAKE")
        assert detail == stale | {"message": refusal["message"], "path": [field]}
    assert (await data(shared, "PUT", *place(made), status="processing", take_number=2))["status"] == "processing"
