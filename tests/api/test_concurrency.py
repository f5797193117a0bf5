"""Concurrent requests: no change is lost or done twice, and the event log has no gap."""

import asyncio
from collections import Counter

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import a_job, accepted, report
from tests.support.property_settings import scaled
from tests.support.queries import ERRORS, stale
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]
# Concurrent updates of each of ten scenes.
PER_SCENE = scaled(10)


async def event_types(app: App, job_id: str) -> list[str]:
    """Return the types of all events; their versions must be 1..n, where n is the version of the job."""
    events = await jobs.log(app, job_id, "version type")
    version = (await jobs.job(app, job_id, "version"))["version"]
    assert [event["version"] for event in events] == list(range(1, version + 1))
    return [event["type"] for event in events]


async def test_many_concurrent_updates_of_one_job(shared: App) -> None:
    """Each is accepted and has its event; each scene has the title that was written last."""
    made = await a_job(shared, *(f"Scene {number}" for number in range(10)))
    titles = {
        scene_id: {f"Title {place} {number}" for number in range(PER_SCENE)}
        for place, scene_id in enumerate(made.scenes)
    }
    updates = [(scene_id, title) for scene_id, its_titles in titles.items() for title in its_titles]
    jobs.seeded("updates").shuffle(updates)
    await asyncio.gather(
        *(accepted(shared, "updateScene", sceneId=scene_id, title=title) for scene_id, title in updates)
    )
    assert await event_types(shared, made.id) == ["JOB_CREATED"] + ["SCENE_UPDATED"] * len(updates)
    log = await jobs.log(shared, made.id, "version sceneId", after=1)
    last = {event["sceneId"]: event["version"] for event in log}
    assert Counter(event["sceneId"] for event in log) == dict.fromkeys(made.scenes, PER_SCENE)
    for scene in (await jobs.job(shared, made.id, "scenes { nodes { id title version } }"))["scenes"]["nodes"]:
        assert scene["title"] in titles[scene["id"]]
        assert scene["version"] == last[scene["id"]]


async def test_concurrent_reports_start_all_scenes_of_a_job(shared: App) -> None:
    """None is overwritten, the job starts once, and the counts match the scenes."""
    made = await a_job(shared, *(f"Scene {number}" for number in range(40)))
    await asyncio.gather(
        *(
            accepted(shared, "updateScene", sceneId=scene_id, title=f"Title {number}", status="PROCESSING")
            for number, scene_id in enumerate(made.scenes)
        )
    )
    kinds = await event_types(shared, made.id)
    assert Counter(kinds) == {"JOB_CREATED": 1, "JOB_STARTED": 1, "SCENE_STARTED": 40}
    job = await jobs.job(shared, made.id, "progress { processing pending } scenes { nodes { title version } }")
    scenes: list[Json] = job["scenes"]["nodes"]
    assert [scene["title"] for scene in scenes] == [f"Title {number}" for number in range(40)]
    assert sorted(scene["version"] for scene in scenes) == list(range(3, 43))
    assert job["progress"] == {"processing": 40, "pending": 0}


async def test_one_of_concurrent_updates_with_the_same_expected_version_wins(shared: App) -> None:
    """The others are refused with the new version and change nothing."""
    made = await a_job(shared, "One")
    payloads = await asyncio.gather(
        *(
            shared.mutate(
                "updateJob", f"job {{ title }} {ERRORS}", jobId=made.id, title=f"Title {n}", expectedVersion=1
            )
            for n in range(20)
        )
    )
    (winner,) = [payload["job"]["title"] for payload in payloads if payload["job"] is not None]
    losers = [payload["errors"] for payload in payloads if payload["job"] is None]
    assert [{**error, "message": ""} for (error,) in losers] == [stale(2) | {"message": ""}] * 19
    assert await jobs.job(shared, made.id, "title version") == {"title": winner, "version": 2}


async def test_positions_stay_dense_after_concurrent_additions_of_scenes(shared: App) -> None:
    """All are added at position 0."""
    made = await a_job(shared, "Last")
    await asyncio.gather(
        *(
            accepted(shared, "addScene", jobId=made.id, scene={"prompt": f"Scene {number}"}, position=0)
            for number in range(40)
        )
    )
    scenes = (await jobs.job(shared, made.id, "scenes { nodes { position prompt } }"))["scenes"]["nodes"]
    assert [scene["position"] for scene in scenes] == list(range(41))
    assert {scene["prompt"] for scene in scenes} == {"Last", *(f"Scene {number}" for number in range(40))}
    assert scenes[-1]["prompt"] == "Last"


async def test_concurrent_additions_of_scenes_do_not_exceed_the_limit(shared: App) -> None:
    """Ten requests for the last five places."""
    made = await a_job(shared, *(f"Scene {number}" for number in range(195)))
    payloads = await asyncio.gather(
        *(
            shared.mutate("addScene", "scene { id } errors { code }", jobId=made.id, scene={"prompt": "New"})
            for _ in range(10)
        )
    )
    assert sorted(len(payload["errors"]) for payload in payloads) == [0] * 5 + [1] * 5
    assert {error["code"] for payload in payloads for error in payload["errors"]} == {"LIMIT_EXCEEDED"}
    assert (await jobs.job(shared, made.id, "scenes { totalCount }")) == {"scenes": {"totalCount": 200}}


async def test_cancel_of_a_job_during_concurrent_reports(shared: App) -> None:
    """Each scene is either completed or canceled, and the counts match the scenes."""
    made = await a_job(shared, *(f"Scene {number}" for number in range(30)), start=True)

    async def complete(scene_id: str) -> str | None:
        payload = await shared.mutate("updateScene", "errors { code }", sceneId=scene_id, status="COMPLETED")
        return payload["errors"][0]["code"] if payload["errors"] else None

    works = [complete(scene_id) for scene_id in made.scenes]
    codes: list[str] = []

    async def cancel() -> None:
        payload = await shared.mutate("cancelJob", "errors { code }", jobId=made.id)
        codes.extend(error["code"] for error in payload["errors"])

    answers = await asyncio.gather(*works[:15], cancel(), *works[15:])
    # Refused only when every report came before it.
    assert codes in ([], ["INVALID_TRANSITION"])
    refusals = [answer for answer in answers if isinstance(answer, str)]
    assert not (refusals and codes)
    job = await jobs.job(shared, made.id, "status progress { completed canceled total } scenes { nodes { status } }")
    statuses = Counter(scene["status"] for scene in job["scenes"]["nodes"])
    assert set(refusals) <= {"INVALID_TRANSITION"}
    assert statuses == Counter({"COMPLETED": 30 - len(refusals), "CANCELED": len(refusals)})
    assert job["progress"] == {
        "completed": statuses["COMPLETED"],
        "canceled": statuses["CANCELED"],
        "total": 30,
    }
    assert job["status"] == ("CANCELED" if refusals else "COMPLETED")
    await event_types(shared, made.id)


async def test_progress_reads_during_writes_are_consistent_snapshots(shared: App) -> None:
    """Total and parts agree with the version, and no value goes back."""
    made = await a_job(shared, *(f"Scene {number}" for number in range(20)), start=True)
    document = """query($id: ID!) { job(id: $id) {
        progress { version total pending processing completed failed canceled percentage }
    } }"""
    writing = asyncio.gather(*(report(shared, scene_id, "PROCESSING", "COMPLETED") for scene_id in made.scenes))
    seen: list[Json] = []
    while not writing.done():
        seen.append((await shared.execute(document, id=made.id))["job"]["progress"])
    await writing
    seen.append((await shared.execute(document, id=made.id))["job"]["progress"])
    assert len(seen) > 3
    for reading in seen:
        parts = ("pending", "processing", "completed", "failed", "canceled")
        assert sum(reading[part] for part in parts) == reading["total"] == 20
    for name in ("version", "percentage", "completed"):
        values = [reading[name] for reading in seen]
        assert values == sorted(values)
    assert seen[-1]["percentage"] == 100.0
