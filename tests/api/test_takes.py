"""Attempts at a scene: counted, kept as takes, and retried automatically if the failure is retryable."""

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
RETRYABLE: Json = FAILURE | {"retryable": True}
FINAL: Json = FAILURE | {"retryable": False}


def a_take(number: int, status: str, *, failure: Json | None = None, reason: str = "AUTOMATIC_RETRY") -> Json:
    """Return a take without a clip that is not the current one."""
    take = {"number": number, "reason": reason, "status": status, "isCurrent": False}
    return take | {"failure": failure, "output": None}


async def start_scene(app: App, *, until_retry: bool = False, **script: Any) -> tuple[str, str]:
    """Start a job with one scene of the scripted provider; wait until it is done, or for its first retry."""
    made = await jobs.make(app, jobs.scene(**script), start=True)
    if until_retry:
        await wait_for_event(app, made.id, "SCENE_RETRYING")
    else:
        await jobs.at_rest(app, made.id)
    return made.id, made.scenes[0]


async def wait_for_event(app: App, job_id: str, kind: str) -> None:
    """Wait until an event of this type is in the log."""
    document = "subscription($id: ID!) { jobEvents(jobId: $id, after: 0) { ... on JobEvent { type } } }"
    async with app.subscribe(document, id=job_id) as stream:
        while (await stream.next())["jobEvents"].get("type") != kind:
            pass


@pytest.mark.sqlite_alone
async def test_retryable_failure_is_retried(shared: App) -> None:
    """Each attempt is a take; the log has every step."""
    job_id, scene_id = await start_scene(shared, failTakes=1, steps=1)
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
            a_take(1, "FAILED", failure=RETRYABLE, reason="INITIAL"),
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


@pytest.mark.sqlite_alone
async def test_events_of_the_system_have_no_actor(shared: App) -> None:
    """Events that a user caused have one."""
    job_id, _ = await start_scene(shared, steps=1)
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


async def test_scene_fails_when_its_attempts_are_used_up(shared: App) -> None:
    """With the failure of the last take."""
    job_id, scene_id = await start_scene(shared, outcome="fail", retryable=True, steps=1)
    scene = await read_scene(shared, scene_id, TAKES)
    last = a_take(3, "FAILED", failure=RETRYABLE) | {"isCurrent": True}
    assert scene == {
        "status": "FAILED",
        "attempts": 3,
        "maxAttempts": 3,
        "nextAttemptAt": None,
        "failure": RETRYABLE,
        "currentTake": {"number": 3},
        "takes": [
            last,
            a_take(2, "FAILED", failure=RETRYABLE),
            a_take(1, "FAILED", failure=RETRYABLE, reason="INITIAL"),
        ],
    }
    assert (await jobs.job(shared, job_id, "status")) == {"status": "FAILED"}


@pytest.mark.sqlite_alone
async def test_final_failure_is_not_retried(shared: App) -> None:
    """One attempt, one take."""
    _, scene_id = await start_scene(shared, outcome="fail", retryable=False, steps=1)
    assert await read_scene(shared, scene_id, TAKES) == {
        "status": "FAILED",
        "attempts": 1,
        "maxAttempts": 3,
        "nextAttemptAt": None,
        "failure": FINAL,
        "currentTake": {"number": 1},
        "takes": [a_take(1, "FAILED", failure=FINAL, reason="INITIAL") | {"isCurrent": True}],
    }


async def test_regenerate_grants_new_attempts(shared: App) -> None:
    """The count continues."""
    job_id, scene_id = await start_scene(shared, outcome="fail", retryable=True, steps=1)
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


@pytest.mark.sqlite_alone
async def test_clip_of_an_earlier_take_is_kept_after_a_regenerate(shared: App) -> None:
    """Its URL serves the same bytes."""
    job_id, scene_id = await start_scene(shared, steps=1)
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


class TestWaitingRetry:
    """Between a failure and the next attempt."""

    @pytest.mark.sqlite_alone
    async def test_waiting_retry_is_shown_on_the_scene(self, tmp_path: Path) -> None:
        """PENDING, with the failure and the instant of the next attempt."""
        async with running(tmp_path, retry_first_seconds=30) as app:
            job_id, scene_id = await start_scene(app, until_retry=True, failTakes=1, steps=1)
            scene = await read_scene(app, scene_id, TAKES)
            wait = datetime.fromisoformat(scene.pop("nextAttemptAt")) - datetime.now(UTC)
            assert timedelta(seconds=20) < wait <= timedelta(seconds=30)
            waiting = a_take(2, "PENDING") | {"isCurrent": True}
            assert scene == {
                "status": "PENDING",
                "attempts": 1,
                "maxAttempts": 3,
                "failure": RETRYABLE,
                "currentTake": {"number": 2},
                "takes": [waiting, a_take(1, "FAILED", failure=RETRYABLE, reason="INITIAL")],
            }
            rest = (await app.http.get(f"/api/v3/jobs/{job_id}/scenes/{scene_id}")).json()["data"]
            assert rest["next_attempt_at"] is not None
            assert rest["failure"]["code"] == "SCRIPTED_FAILURE"

    @pytest.mark.sqlite_alone
    async def test_waiting_retry_can_be_canceled(self, tmp_path: Path) -> None:
        """No attempt follows."""
        async with running(tmp_path, retry_first_seconds=30) as app:
            job_id, scene_id = await start_scene(app, until_retry=True, failTakes=1, steps=1)
            await accepted(app, "cancelScene", sceneId=scene_id)
            scene = await read_scene(app, scene_id, "status nextAttemptAt queuePosition takes { status }")
            assert scene == {
                "status": "CANCELED",
                "nextAttemptAt": None,
                "queuePosition": None,
                "takes": [{"status": "CANCELED"}, {"status": "FAILED"}],
            }
            assert (await jobs.job(app, job_id, "status")) == {"status": "CANCELED"}


async def test_backoff_of_retries_doubles(tmp_path: Path) -> None:
    """Measured by the instants of the events."""
    async with running(tmp_path, retry_first_seconds=0.2) as app:
        job_id, _ = await start_scene(app, outcome="fail", retryable=True, steps=1, stepSeconds=0)
        events = await jobs.log(app, job_id, "type occurredAt")
        starts, retries = (
            [datetime.fromisoformat(event["occurredAt"]) for event in events if event["type"] == kind]
            for kind in ("SCENE_STARTED", "SCENE_RETRYING")
        )
        first, second = (start - retry for start, retry in zip(starts[1:], retries, strict=True))
        assert first >= timedelta(seconds=0.15)
        assert second >= timedelta(seconds=0.35)
