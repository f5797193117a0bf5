"""Attempts at a scene: counted, kept, and tried again by themselves when that may help."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import accepted
from tests.support.queries import log, read_scene
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

FAILURE: Json = {"code": "SCRIPTED_FAILURE", "message": "The script asked for a failure."}
TAKES = """
status attempts maxAttempts nextAttemptAt failure { code message retryable } currentTake { number }
takes { number reason status isCurrent failure { code message retryable } output { url } }
"""
AGAIN: Json = FAILURE | {"retryable": True}
NEVER: Json = FAILURE | {"retryable": False}


def a_take(number: int, status: str, *, failure: Json | None = None, reason: str = "AUTOMATIC_RETRY") -> Json:
    """A take without a clip that is not the current one."""
    told = {"number": number, "reason": reason, "status": status, "isCurrent": False}
    return told | {"failure": failure, "output": None}


async def started(app: App, *, once: bool = False, **script: Any) -> tuple[str, str]:
    """Make and start a job with one scene of the scripted provider, and wait for its end unless `once` is heard."""
    made = await jobs.make(app, jobs.scene(**script), start=True)
    if once:
        await heard(app, made.id, "SCENE_RETRYING")
    else:
        await jobs.at_rest(app, made.id)
    return made.id, made.scenes[0]


async def heard(app: App, job_id: str, kind: str) -> None:
    """Wait until an event of this type is in the log."""
    document = "subscription($id: ID!) { jobEvents(jobId: $id, after: 0) { ... on JobEvent { type } } }"
    async with app.subscribe(document, id=job_id) as stream:
        while (await stream.next())["jobEvents"].get("type") != kind:
            pass


async def test_a_retryable_failure_is_tried_again(shared: App) -> None:
    """Each attempt is a take; the log tells every step."""
    job_id, scene_id = await started(shared, failTakes=1, steps=1)
    scene = await read_scene(shared, scene_id, TAKES)
    newest = scene["takes"][0]
    assert newest.pop("output")["url"].endswith(".mp4")
    assert scene == {
        "status": "COMPLETED",
        "attempts": 2,
        "maxAttempts": 3,
        "nextAttemptAt": None,
        "failure": None,
        "currentTake": {"number": 2},
        "takes": [
            {"number": 2, "reason": "AUTOMATIC_RETRY", "status": "COMPLETED", "isCurrent": True, "failure": None},
            a_take(1, "FAILED", failure=AGAIN, reason="INITIAL"),
        ],
    }
    kinds = [kind for kind, _ in await log(shared, job_id)]
    assert kinds == [
        "JOB_CREATED",
        "JOB_STARTED",
        "SCENE_STARTED",
        "SCENE_UPDATED",
        "SCENE_RETRYING",
        "SCENE_STARTED",
        "SCENE_UPDATED",
        "SCENE_COMPLETED",
        "JOB_SETTLED",
        "JOB_UPDATED",
    ]


async def test_what_the_system_does_has_no_actor(shared: App) -> None:
    """What a person asked for has."""
    job_id, _ = await started(shared, steps=1)
    actors = await jobs.log(shared, job_id, "type actorId")
    assert {(event["type"], event["actorId"]) for event in actors} == {
        ("JOB_CREATED", "local"),
        ("JOB_STARTED", "local"),
        ("SCENE_STARTED", None),
        ("SCENE_UPDATED", None),
        ("SCENE_COMPLETED", None),
        ("JOB_SETTLED", None),
        ("JOB_UPDATED", None),
    }


async def test_attempts_run_out(shared: App) -> None:
    """Then the scene has failed, with the last take's failure."""
    job_id, scene_id = await started(shared, outcome="fail", retryable=True, steps=1)
    scene = await read_scene(shared, scene_id, TAKES)
    last = a_take(3, "FAILED", failure=AGAIN) | {"isCurrent": True}
    assert scene == {
        "status": "FAILED",
        "attempts": 3,
        "maxAttempts": 3,
        "nextAttemptAt": None,
        "failure": AGAIN,
        "currentTake": {"number": 3},
        "takes": [last, a_take(2, "FAILED", failure=AGAIN), a_take(1, "FAILED", failure=AGAIN, reason="INITIAL")],
    }
    assert (await jobs.job(shared, job_id, "status")) == {"status": "FAILED"}


async def test_what_cannot_help_is_not_tried_again(shared: App) -> None:
    """One attempt, one take."""
    _, scene_id = await started(shared, outcome="fail", retryable=False, steps=1)
    assert await read_scene(shared, scene_id, TAKES) == {
        "status": "FAILED",
        "attempts": 1,
        "maxAttempts": 3,
        "nextAttemptAt": None,
        "failure": NEVER,
        "currentTake": {"number": 1},
        "takes": [a_take(1, "FAILED", failure=NEVER, reason="INITIAL") | {"isCurrent": True}],
    }


async def test_a_regenerate_grants_as_many_attempts_again(shared: App) -> None:
    """The count goes on."""
    job_id, scene_id = await started(shared, outcome="fail", retryable=True, steps=1)
    payload = await accepted(
        shared, "regenerateScene", "scene { attempts maxAttempts failure { code } }", sceneId=scene_id
    )
    assert payload["scene"] == {"attempts": 3, "maxAttempts": 6, "failure": None}
    assert await jobs.settled(shared, job_id) == "FAILED"
    scene = await read_scene(shared, scene_id, "attempts maxAttempts takes { number reason }")
    assert scene == {
        "attempts": 6,
        "maxAttempts": 6,
        "takes": [
            {"number": 6, "reason": "AUTOMATIC_RETRY"},
            {"number": 5, "reason": "AUTOMATIC_RETRY"},
            {"number": 4, "reason": "REGENERATE"},
            {"number": 3, "reason": "AUTOMATIC_RETRY"},
            {"number": 2, "reason": "AUTOMATIC_RETRY"},
            {"number": 1, "reason": "INITIAL"},
        ],
    }
    assert (await read_scene(shared, scene_id, "takes(first: 2) { number }"))["takes"] == [{"number": 6}, {"number": 5}]


async def test_the_clip_of_an_earlier_take_stays(shared: App) -> None:
    """A regenerate destroys nothing: the address goes on serving the same bytes."""
    job_id, scene_id = await started(shared, steps=1)
    first = (await read_scene(shared, scene_id, "output { url }"))["output"]["url"]
    path = first.removeprefix("http://scenewire.test")
    before = await shared.http.get(path)
    await accepted(shared, "regenerateScene", sceneId=scene_id)
    await jobs.settled(shared, job_id)
    scene = await read_scene(shared, scene_id, "output { url } takes { output { url } }")
    second = scene["output"]["url"]
    assert second != first
    assert [take["output"]["url"] for take in scene["takes"]] == [second, first]
    assert (await shared.http.get(path)).content == before.content


class TestWhileARetryWaits:
    """Between a failure and the next attempt."""

    async def test_it_says_so(self, tmp_path: Path) -> None:
        """Pending, with the failure and the instant of the next attempt."""
        async with running(tmp_path, retry_first_seconds=30) as app:
            job_id, scene_id = await started(app, once=True, failTakes=1, steps=1)
            scene = await read_scene(app, scene_id, TAKES)
            wait = datetime.fromisoformat(scene.pop("nextAttemptAt")) - datetime.now(UTC)
            assert timedelta(seconds=20) < wait <= timedelta(seconds=30)
            waiting = a_take(2, "PENDING") | {"isCurrent": True}
            assert scene == {
                "status": "PENDING",
                "attempts": 1,
                "maxAttempts": 3,
                "failure": AGAIN,
                "currentTake": {"number": 2},
                "takes": [waiting, a_take(1, "FAILED", failure=AGAIN, reason="INITIAL")],
            }
            rest = (await app.http.get(f"/api/v3/jobs/{job_id}/scenes/{scene_id}")).json()["data"]
            assert rest["next_attempt_at"] is not None
            assert rest["failure"]["code"] == "SCRIPTED_FAILURE"

    async def test_it_can_be_canceled(self, tmp_path: Path) -> None:
        """Then nothing is waited for any more."""
        async with running(tmp_path, retry_first_seconds=30) as app:
            job_id, scene_id = await started(app, once=True, failTakes=1, steps=1)
            await accepted(app, "cancelScene", sceneId=scene_id)
            scene = await read_scene(app, scene_id, "status nextAttemptAt queuePosition takes { status }")
            assert scene == {
                "status": "CANCELED",
                "nextAttemptAt": None,
                "queuePosition": None,
                "takes": [{"status": "CANCELED"}, {"status": "FAILED"}],
            }
            assert (await jobs.job(app, job_id, "status")) == {"status": "CANCELED"}


async def test_it_waits_longer_each_time(tmp_path: Path) -> None:
    """The wait doubles."""
    async with running(tmp_path, retry_first_seconds=0.2) as app:
        job_id, _ = await started(app, outcome="fail", retryable=True, steps=1, stepSeconds=0)
        events = await jobs.log(app, job_id, "type occurredAt")
        starts, retries = (
            [datetime.fromisoformat(event["occurredAt"]) for event in events if event["type"] == kind]
            for kind in ("SCENE_STARTED", "SCENE_RETRYING")
        )
        first, second = (start - retry for start, retry in zip(starts[1:], retries, strict=True))
        assert first >= timedelta(seconds=0.15)
        assert second >= timedelta(seconds=0.35)
