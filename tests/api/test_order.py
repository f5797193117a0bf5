"""reorderScenes: the play order is set as a whole, and changed by concurrent requests."""

import asyncio

import pytest

from tests.support import jobs
from tests.support.factories import NO_JOB, NO_SCENE, a_job, a_job_of, accepted
from tests.support.queries import (
    EVERYTHING,
    changes,
    invalid,
    missing,
    play_order,
    read_scene,
    refusals,
    refused,
    stale,
    state,
)
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

NAMES = ["One", "Two", "Three", "Four", "Five"]


async def test_reorder_sets_the_whole_play_order(shared: App) -> None:
    """One event without a scene; only moved scenes get a new version."""
    made = await a_job(shared, *NAMES)
    order = [2, 1, 0, 3, 4]
    payload = await accepted(
        shared, "reorderScenes", "job { version }", jobId=made.id, sceneIds=[made.scenes[place] for place in order]
    )
    assert payload["job"] == {"version": 2}
    assert await play_order(shared, made.id) == [NAMES[place] for place in order]
    assert await changes(shared, made.id, 1) == [("SCENES_REORDERED", ["position"])]
    versions = [(await read_scene(shared, scene_id, "version"))["version"] for scene_id in made.scenes]
    assert versions == [2, 1, 2, 1, 1]


async def test_reorder_of_two_hundred_scenes(shared: App) -> None:
    """As many as a job can have, in a random order."""
    made = await a_job(shared, *(f"Scene {number}" for number in range(200)))
    order = list(enumerate(made.scenes))
    jobs.seeded("reorder").shuffle(order)
    await accepted(shared, "reorderScenes", jobId=made.id, sceneIds=[scene_id for _, scene_id in order])
    assert await play_order(shared, made.id) == [f"Scene {number}" for number, _ in order]


async def test_reorder_to_the_same_order_is_a_no_op(shared: App) -> None:
    """No event."""
    made = await a_job(shared, *NAMES)
    before = await jobs.job(shared, made.id, EVERYTHING)
    await accepted(shared, "reorderScenes", jobId=made.id, sceneIds=made.scenes)
    assert await jobs.job(shared, made.id, EVERYTHING) == before


async def test_reorder_of_a_processing_job_is_accepted(shared: App) -> None:
    """The play order does not affect renders."""
    made = await a_job_of(shared, "COMPLETED", "PROCESSING", "PENDING")
    await accepted(shared, "reorderScenes", jobId=made.id, sceneIds=made.scenes[::-1])
    assert await play_order(shared, made.id) == ["Scene 2", "Scene 1", "Scene 0"]


@pytest.mark.sqlite_alone
async def test_reorder_without_each_live_scene_once_is_refused(shared: App) -> None:
    """Each missing, foreign or repeated scene is named, with its path."""
    made, another = await a_job(shared, *NAMES), await a_job(shared, "Another")
    await accepted(shared, "deleteScene", sceneId=made.scenes[4])
    one, two, three, four, deleted = made.scenes
    wrong_order = [one, two, one, deleted, another.scenes[0], NO_SCENE, "a\0b"]
    errors = await refusals(shared, made.id, "reorderScenes", jobId=made.id, sceneIds=wrong_order)
    places = [*(("sceneIds", str(index)) for index in range(2, 7)), ("sceneIds",), ("sceneIds",)]
    assert errors == [invalid(*place, code="INCOMPLETE_ORDER") for place in places]
    document = "mutation($i: ReorderScenesInput!) { reorderScenes(input: $i) { errors { message } } }"
    answer = await shared.execute(document, i={"jobId": made.id, "sceneIds": wrong_order})
    messages = [error["message"] for error in answer["reorderScenes"]["errors"]]
    assert messages == [
        f"{one} is named twice.",
        *(f"{each} is not a live scene of the job." for each in (deleted, another.scenes[0], NO_SCENE, "This")),
        f"{three} is missing.",
        f"{four} is missing.",
    ]


@pytest.mark.sqlite_alone
async def test_reorder_of_missing_deleted_or_changed_jobs_is_refused(shared: App) -> None:
    """Also with more than 200 scenes."""
    made = await a_job(shared, *NAMES)
    error = await refused(shared, made.id, "reorderScenes", jobId=made.id, sceneIds=made.scenes * 41)
    assert error == invalid("sceneIds", code="LIMIT_EXCEEDED")
    order = made.scenes[::-1]
    error = await refused(shared, made.id, "reorderScenes", jobId=made.id, sceneIds=order, expectedVersion=2)
    assert error == stale(1)
    error = await refused(shared, NO_JOB, "reorderScenes", jobId=NO_JOB, sceneIds=order)
    assert error == missing("jobId", NO_JOB)
    await accepted(shared, "deleteJob", jobId=made.id)
    error = await refused(shared, made.id, "reorderScenes", jobId=made.id, sceneIds=order)
    assert error == state("ALREADY_DELETED", "jobId")


async def test_fifty_concurrent_changes_keep_the_play_order_dense(shared: App) -> None:
    """Moves, reorders, additions and restores; the event log has no gap."""
    made, rng = await a_job(shared, *(f"Scene {number}" for number in range(20))), jobs.seeded("fifty")
    spare = made.scenes[15:]
    for scene_id in spare:
        await accepted(shared, "deleteScene", sceneId=scene_id)

    def five_requests(number: int) -> list[tuple[str, dict[str, object]]]:
        whole = list(made.scenes[:15])
        rng.shuffle(whole)
        return [
            ("moveScene", {"sceneId": rng.choice(made.scenes[:15]), "position": rng.randrange(12)}),
            ("moveScene", {"sceneId": rng.choice(made.scenes[:15]), "position": rng.randrange(12)}),
            ("reorderScenes", {"jobId": made.id, "sceneIds": whole}),
            ("addScene", {"jobId": made.id, "scene": {"prompt": f"New {number}"}, "position": rng.randrange(12)}),
            ("restoreScene", {"sceneId": spare[number % 5]}),
        ]

    requests = [each for number in range(10) for each in five_requests(number)]
    rng.shuffle(requests)
    answers = await asyncio.gather(*(shared.mutate(name, "errors { code }", **fields) for name, fields in requests))
    codes = {error["code"] for answer in answers for error in answer["errors"]}
    assert codes <= {"INCOMPLETE_ORDER", "NOT_DELETED"}
    shown = await play_order(shared, made.id)
    names = [*(f"Scene {number}" for number in range(20)), *(f"New {number}" for number in range(10))]
    assert sorted(shown) == sorted(names)
    events = await jobs.log(shared, made.id, "version")
    version = (await jobs.job(shared, made.id, "version"))["version"]
    assert [event["version"] for event in events] == list(range(1, version + 1))
