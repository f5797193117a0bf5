"""A render that fails: its retries, and what the client and the operator learn of the failure."""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordinator.renders import take_files
from providers.port import Asset, Order, Progress, Provider, Rendered
from providers.sample import sample
from providers.scripted import ScriptedProvider
from tests.support import jobs
from tests.support.client import Json
from tests.support.fake_providers import Fake
from tests.support.renders import SECRET, TAKES, scene, scenes, seconds, single_provider
from tests.support.server_app import App, running
from tests.support.waiting import eventually


class TestFailures:
    """Failures that a provider reports, and errors that it does not handle."""

    async def test_retryable_failure_is_retried_with_exponential_backoff(self, tmp_path: Path) -> None:
        """The delay doubles each time; every attempt is a take of its own."""
        async with running(tmp_path, retry_first_seconds=0.2) as app:
            made = await jobs.make(app, jobs.scene(failTakes=2, steps=1, stepSeconds=0), start=True)
            assert await jobs.settled(app, made.id) == "COMPLETED"
            found = await scene(app, made.id, f"attempts maxAttempts failure {{ code }} {TAKES}")
            log = [event["type"] for event in await jobs.log(app, made.id)]
        takes = found["takes"][::-1]
        assert (found["attempts"], found["maxAttempts"], found["failure"]) == (3, 3, None)
        failure = {"code": "SCRIPTED_FAILURE", "message": "The script asked for a failure.", "retryable": True}
        assert [(take["number"], take["reason"], take["status"], take["failure"]) for take in takes] == [
            (1, "INITIAL", "FAILED", failure),
            (2, "AUTOMATIC_RETRY", "FAILED", failure),
            (3, "AUTOMATIC_RETRY", "COMPLETED", None),
        ]
        delays = [seconds(one["finishedAt"], other["startedAt"]) for one, other in itertools.pairwise(takes)]
        assert 0.15 <= delays[0] < 0.4 + 1.0
        assert 0.35 <= delays[1] < 0.8 + 1.0
        once = ["SCENE_STARTED", "SCENE_UPDATED"]
        retried = [*once, "SCENE_RETRYING"] * 2
        assert log[: log.index("JOB_SETTLED")] == ["JOB_CREATED", "JOB_STARTED", *retried, *once, "SCENE_COMPLETED"]

    async def test_scene_that_waits_for_its_retry_shows_when_it_is_retried(self, tmp_path: Path) -> None:
        """It shows the failure and the time of the next attempt, and can be canceled meanwhile."""
        async with running(tmp_path, retry_first_seconds=60) as app:
            made = await jobs.make(app, jobs.scene(failTakes=1, steps=1, stepSeconds=0), start=True)

            async def waits_for_retry() -> bool:
                return (await scene(app, made.id, "nextAttemptAt"))["nextAttemptAt"] is not None

            await eventually(waits_for_retry)
            selection = "status attempts providerId percentage nextAttemptAt failure { code occurredAt }"
            found = await scene(app, made.id, selection)
            assert found | {"nextAttemptAt": "", "failure": ""} == {
                "status": "PENDING",
                "attempts": 1,
                "providerId": None,
                "percentage": None,
                "nextAttemptAt": "",
                "failure": "",
            }
            assert 59 < seconds(found["failure"]["occurredAt"], found["nextAttemptAt"]) < 61
            progress = (await jobs.job(app, made.id, "progress { currentStage stageLabel }"))["progress"]
            assert progress == {"currentStage": "RETRYING", "stageLabel": "Waiting to retry 1 scene"}
            await jobs.change(app, "cancelScene", sceneId=made.scenes[0])
            assert (await scene(app, made.id, "status nextAttemptAt")) == {"status": "CANCELED", "nextAttemptAt": None}

    @pytest.mark.parametrize("attempts", [1, 2])
    async def test_retries_end_with_the_last_allowed_attempt(self, tmp_path: Path, attempts: int) -> None:
        """The scene then shows the last failure."""
        async with running(tmp_path, max_attempts=attempts) as app:
            play = jobs.scene(outcome="fail", retryable=True, code="FLAKY", message="Not now.", steps=1, stepSeconds=0)
            made = await jobs.make(app, play, start=True)
            assert await jobs.settled(app, made.id) == "FAILED"
            found = await scene(app, made.id, "status attempts failure { code message retryable }")
        failure = {"code": "FLAKY", "message": "Not now.", "retryable": True}
        assert found == {"status": "FAILED", "attempts": attempts, "failure": failure}

    async def test_permanent_failure_is_not_retried(self, app: App) -> None:
        """The scene fails at once, with the code and message of the provider."""
        play = jobs.scene(outcome="fail", code="NSFW", message="Not this.", steps=1, stepSeconds=0)
        made = await jobs.make(app, play, start=True)
        assert await jobs.settled(app, made.id) == "FAILED"
        found = await scene(app, made.id, "status attempts failure { code message retryable }")
        failure = {"code": "NSFW", "message": "Not this.", "retryable": False}
        assert found == {"status": "FAILED", "attempts": 1, "failure": failure}

    async def test_failing_scene_does_not_affect_other_scenes(self, tmp_path: Path) -> None:
        """Whether it fails, stalls or its provider crashes."""

        async def crash(_order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            yield Progress(0.1)
            raise RuntimeError(SECRET)

        providers: dict[str, Provider] = {"scripted": ScriptedProvider(), "fake": Fake(crash)}
        async with running(tmp_path, providers, max_attempts=1, render_deadline_seconds=3) as app:
            quick = jobs.scene(steps=1, stepSeconds=0)
            plays = [quick, jobs.scene(outcome="fail"), jobs.scene(outcome="stall"), quick]
            mixed = await jobs.make(app, *plays, start=True)
            crashing = await jobs.make(app, provider="fake", start=True)
            assert await asyncio.gather(*(jobs.settled(app, each.id) for each in (mixed, crashing))) == ["FAILED"] * 2
            statuses = [each["status"] for each in await scenes(app, mixed.id, "status")]
        assert statuses == ["COMPLETED", "FAILED", "FAILED", "COMPLETED"]

    async def test_stalled_render_fails_at_the_deadline(self, tmp_path: Path) -> None:
        """It is also canceled at the provider."""
        providers: dict[str, Provider] = {"scripted": (provider := ScriptedProvider())}
        async with running(tmp_path, providers, max_attempts=1, render_deadline_seconds=0.5) as app:
            made = await jobs.make(app, jobs.scene(outcome="stall"), start=True)
            assert await jobs.settled(app, made.id) == "FAILED"
            found = await scene(app, made.id, "failure { code message retryable } providerId startedAt finishedAt")
        assert found["failure"] == {
            "code": "TIMEOUT",
            "message": "No result within 0.5 seconds.",
            "retryable": True,
        }
        assert 0.5 <= seconds(found["startedAt"], found["finishedAt"]) < 1.5
        assert provider.cancels == {found["providerId"]: 1}

    @pytest.mark.parametrize("where", ["submit", "first step", "second step", "no generator"])
    async def test_unexpected_error_of_a_provider_is_masked(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
    ) -> None:
        """It is logged once, with its traceback, under the id that the client receives."""

        class Broken(Fake):
            async def submit(self, order: Order) -> str:
                if where == "submit":
                    raise RuntimeError(SECRET)
                return await super().submit(order)

            def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
                if where == "no generator":
                    raise RuntimeError(SECRET)
                return super().follow(order, provider_id)

        async def follow(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            if where == "first step":
                raise RuntimeError(SECRET)
            yield Progress(0.5)
            raise RuntimeError(SECRET)

        with caplog.at_level(logging.INFO):
            async with running(tmp_path, single_provider(Broken(follow)), provider="external", max_attempts=1) as app:
                made = await jobs.make(app, provider="fake", start=True)
                assert await jobs.settled(app, made.id) == "FAILED"
                failure = (await scene(app, made.id, "failure { code message retryable }"))["failure"]
        (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        error_id = record.__dict__["id"]
        assert failure == {
            "code": "PROVIDER_ERROR",
            "message": f"The provider failed unexpectedly. ({error_id})",
            # What was accepted may have been paid for: only a person may order it again.
            "retryable": where == "submit",
        }
        assert record.exc_info is not None
        assert SECRET in str(record.exc_info[1])
        assert error_id in record.getMessage()

    async def test_clip_is_recorded_although_the_provider_fails_afterwards(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An error in a provider's cleanup is only logged, for the operator."""

        async def follow(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            try:
                yield sample().write(order.workdir)
            finally:
                raise RuntimeError(SECRET)

        async with running(tmp_path, single_provider(Fake(follow)), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert SECRET in str(record.exc_info)

    async def test_render_without_a_result_has_failed(self, tmp_path: Path) -> None:
        """The provider ends without a clip."""

        async def end_without_result(_order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            yield Progress(1.0)

        async with running(
            tmp_path, single_provider(Fake(end_without_result)), provider="external", max_attempts=1
        ) as app:
            made = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "FAILED"
            failure = (await scene(app, made.id, "failure { code message retryable }"))["failure"]
        assert failure == {
            "code": "NO_RESULT",
            "message": "The provider ended without a result.",
            "retryable": False,
        }

    async def test_storing_a_clip_is_retried_while_the_disk_is_full(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The clip was paid for: it is neither lost nor ordered again."""
        errors_left = 3
        fake = Fake()

        async with running(tmp_path, single_provider(fake), provider="external") as app:
            store = app.container.media.store

            async def failing(key: str, asset: Asset) -> Json:
                nonlocal errors_left
                if errors_left:
                    errors_left -= 1
                    raise OSError(SECRET)
                return await store(key, asset)

            monkeypatch.setattr(app.container.media, "store", failing)
            made = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        assert (errors_left, len(fake.submitted)) == (0, 1)

    async def test_clip_that_cannot_be_stored_fails_the_scene(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The failure is not retryable: only a person may order the clip again. Details are only logged."""
        fake = Fake()
        monkeypatch.setattr(take_files, "STORE_TIMEOUT_SECONDS", 0.3)
        async with running(tmp_path, single_provider(fake), provider="external", max_attempts=2) as app:
            with monkeypatch.context() as broken:
                broken.setattr(app.container.media, "store", raise_disk_full)
                made = await jobs.make(app, provider="fake", start=True)
                assert await jobs.settled(app, made.id) == "FAILED"
            found = await scene(app, made.id, "attempts failure { code message retryable }")
            (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
            await jobs.change(app, "regenerateScene", sceneId=made.scenes[0])
            assert await jobs.settled(app, made.id) == "COMPLETED"
        message = f"The clip could not be stored. ({record.__dict__['id']})"
        assert found == {"attempts": 1, "failure": {"code": "STORAGE", "message": message, "retryable": False}}
        assert SECRET in str(record.exc_info)
        assert len(fake.submitted) == 2

    async def test_live_frame_that_cannot_be_stored_is_dropped(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """The clip does not depend on its live frames."""

        async def failing(_key: str, _content: bytes) -> None:
            raise OSError(SECRET)

        monkeypatch.setattr(app.container.media, "put", failing)
        made = await jobs.make(app, jobs.scene(frames=True), start=True)
        assert await jobs.settled(app, made.id) == "COMPLETED"

    async def test_scene_of_a_removed_provider_fails_with_the_name_of_the_provider(self, tmp_path: Path) -> None:
        """The job was created while the server still had this provider."""
        async with running(tmp_path, single_provider(Fake()), provider="external") as app:
            made = await jobs.make(app, provider="fake")
        async with running(tmp_path) as app:
            await jobs.change(app, "startJob", jobId=made.id)
            assert await jobs.settled(app, made.id) == "FAILED"
            found = await scene(app, made.id, "attempts failure { code message retryable }")
        message = "This server has no provider fake."
        assert found == {"attempts": 1, "failure": {"code": "UNKNOWN_PROVIDER", "message": message, "retryable": False}}


async def raise_disk_full(_key: str, _asset: Asset) -> Json:
    """Fail like a storage without free space."""
    raise OSError(SECRET)
