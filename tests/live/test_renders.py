"""The life of a render: claimed, submitted, followed, recorded; and everything that comes between."""

import asyncio
import itertools
import logging
import os
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.renders import lease, take_files
from models.db.tables import SCENE
from providers.local import LocalProvider
from providers.port import Asset, Order, Progress, Provider, Rendered
from providers.sample import sample
from providers.scripted import ScriptedProvider
from tests.support import jobs
from tests.support.client import Json
from tests.support.fake_providers import Fake, Gate
from tests.support.os_processes import children_of, on_linux
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually

SECRET = "the password is swordfish"

TAKES = "takes { number reason status failure { code message retryable } createdAt startedAt finishedAt isCurrent }"
EVERYTHING = f"""
title status version progress {{ percentage completed failed canceled processing pending }}
scenes(includeDeleted: true) {{ nodes {{
    id status version attempts providerId output {{ url }} poster {{ url }} failure {{ code }} deletedAt {TAKES}
}} }}
events {{ version type }}
"""


async def scenes(app: App, job_id: str, selection: str) -> list[Json]:
    """Fields of the scenes of a job."""
    return (await jobs.job(app, job_id, f"scenes {{ nodes {{ {selection} }} }}"))["scenes"]["nodes"]


async def scene(app: App, job_id: str, selection: str) -> Json:
    """Fields of the only scene of a job."""
    (only,) = await scenes(app, job_id, selection)
    return only


async def is_processing(app: App, job_id: str) -> bool:
    """Whether every scene of a job has been submitted and shows progress."""
    found = await scenes(app, job_id, "percentage providerId")
    return all(each["percentage"] and each["providerId"] for each in found)


def only(fake: Provider) -> dict[str, Provider]:
    """The providers of a server that has one."""
    return {fake.name: fake}


class TestAResult:
    """What is recorded of a render that succeeds."""

    async def test_a_scene_and_its_take_are_completed_with_their_files(self, app: App) -> None:
        """Once, with everything a client wants to show."""
        made = await jobs.make(app, start=True)
        assert await jobs.settled(app, made.id) == "COMPLETED"
        media = "output { url contentType sizeBytes width height durationSeconds } poster { url contentType }"
        found = await scene(app, made.id, f"status attempts percentage {media} preview {{ contentType }} {TAKES}")
        take = found["takes"][0]
        files = sample()
        assert found["status"] == "COMPLETED"
        assert (found["attempts"], len(found["takes"]), found["percentage"]) == (1, 1, 100)
        assert (take["number"], take["status"], take["isCurrent"]) == (1, "COMPLETED", True)
        assert {name: value for name, value in found["output"].items() if name != "url"} == {
            "contentType": "video/mp4",
            "sizeBytes": len(files.clip),
            "width": 64,
            "height": 36,
            "durationSeconds": 1.0,
        }
        assert re.fullmatch(
            rf"http://scenewire\.test/media/{made.id}/{made.scenes[0]}/take_\w+\.mp4", found["output"]["url"]
        )
        path = found["output"]["url"].removeprefix("http://scenewire.test")
        assert (await app.http.get(path)).content == files.clip
        assert (found["poster"]["contentType"], found["preview"]["contentType"]) == ("image/webp", "image/webp")

    async def test_the_provider_id_is_committed_before_anything_is_followed(self, tmp_path: Path) -> None:
        """So that a restart resumes what was paid for."""
        seen: list[str | None] = []
        job_id = asyncio.get_running_loop().create_future()

        async def look(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            seen.append((await scene(app, await job_id, "providerId"))["providerId"])
            yield sample().write(order.workdir)

        async with running(tmp_path, only(fake := Fake(look)), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            job_id.set_result(made.id)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        assert seen == fake.followed

    @pytest.mark.parametrize("limit", [1, 2])
    async def test_no_more_run_at_once_than_may(self, tmp_path: Path, limit: int) -> None:
        """As many as that, however, and in play order."""

        async def slowly(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            await asyncio.sleep(0.05)
            yield sample().write(order.workdir)

        fake = Fake(slowly)
        async with running(tmp_path, only(fake), provider="external", render_concurrency=limit) as app:
            prompts = [f"Scene {number}" for number in range(6)]
            made = await jobs.make(app, *(jobs.scene(prompt) for prompt in prompts), provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        assert fake.most_at_once == limit
        assert sorted(fake.submitted) == prompts
        # Those that start together are bought in any order.
        assert set(fake.submitted[:limit]) == set(prompts[:limit])
        assert limit > 1 or fake.submitted == prompts


TAKEN_AWAY: dict[str, list[tuple[str, Json]]] = {
    "canceled": [("cancelScene", {})],
    "canceled with its job": [("cancelJob", {})],
    "reported completed": [("updateScene", {"status": "COMPLETED", "outputUrl": "https://example.com/clip.mp4"})],
    "reported failed": [("updateScene", {"status": "FAILED", "failure": {"code": "MINE", "message": "Mine."}})],
    "deleted": [("cancelJob", {}), ("deleteScene", {})],
}


async def take_away(app: App, made: jobs.Made, how: str) -> None:
    """Do all that to the first scene."""
    for name, fields in TAKEN_AWAY[how]:
        target = {"jobId": made.id} if name == "cancelJob" else {"sceneId": made.scenes[0]}
        await jobs.change(app, name, **target, **fields)


@pytest.fixture
def no_lease_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the periodic check of the claim off: only the direct abort can stop a render."""
    monkeypatch.setattr(lease, "CHECK_SECONDS", 3_600.0)


class TestARenderThatNobodyWants:
    """Its scene was taken away from it while it ran."""

    @pytest.mark.usefixtures("no_lease_checks")
    @pytest.mark.parametrize("how", TAKEN_AWAY)
    async def test_it_is_stopped_within_a_second(self, tmp_path: Path, how: str) -> None:
        """And the provider is told."""
        fake = Fake(Gate().cooperative)
        async with running(tmp_path, only(fake), provider="external") as app:
            made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            before = fake.running
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await take_away(app, made, how)
                stopped = 2 if "cancelJob" in str(TAKEN_AWAY[how]) else 1
                await eventually(lambda: fake.running == before - stopped and len(fake.canceled) == stopped)
            assert set(fake.canceled) <= set(fake.followed)

    @on_linux
    @pytest.mark.usefixtures("no_lease_checks")
    async def test_its_process_is_ended(self, tmp_path: Path) -> None:
        """A clip of a minute would keep a core busy for long."""
        async with running(tmp_path, only(LocalProvider(320, 180)), provider="external") as app:
            before = children_of(os.getpid())
            made = await jobs.make(app, {"prompt": "Waves", "durationSeconds": 60}, provider="local", start=True)
            await eventually(lambda: is_processing(app, made.id))
            assert len(children_of(os.getpid())) == len(before) + 1
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await jobs.change(app, "cancelScene", sceneId=made.scenes[0])
                await eventually(lambda: children_of(os.getpid()) == before)

    @pytest.mark.parametrize("how", TAKEN_AWAY)
    async def test_its_late_result_changes_nothing(self, tmp_path: Path, how: str) -> None:
        """Of a provider that ignores being stopped: neither state nor log nor files."""
        gate = Gate()
        fake = Fake(gate.stubborn)
        async with running(tmp_path, only(fake), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            await take_away(app, made, how)
            before = await jobs.job(app, made.id, EVERYTHING)
            gate.open.set()
            await eventually(lambda: fake.running == 0)
            # The render that is through frees its place: a later one gets it only after all the other did.
            later = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, later.id) == "COMPLETED"
            assert await jobs.job(app, made.id, EVERYTHING) == before
            assert [path for path in (tmp_path / "media").rglob("*") if made.id in path.parts and path.is_file()] == []

    async def test_its_late_result_does_not_become_the_next_take(self, tmp_path: Path) -> None:
        """Canceled and regenerated: the new take runs beside the old one, and only its own clip counts."""
        gates = [Gate(), Gate()]
        takes = iter([gates[0].stubborn, gates[1].cooperative])

        async def follow(order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            async with aclosing(next(takes)(order, provider_id)) as steps:
                async for step in steps:
                    yield step

        fake = Fake(follow)
        async with running(tmp_path, only(fake), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            await jobs.change(app, "cancelScene", sceneId=made.scenes[0])
            await jobs.change(app, "regenerateScene", sceneId=made.scenes[0])
            await eventually(lambda: is_processing(app, made.id))
            assert fake.running == 2
            before = await jobs.job(app, made.id, EVERYTHING)
            gates[0].open.set()
            await eventually(lambda: fake.running == 1)
            assert await jobs.job(app, made.id, EVERYTHING) == before
            gates[1].open.set()
            assert await jobs.settled(app, made.id) == "COMPLETED"
            takes_after = (await scene(app, made.id, "takes { number status providerId output { url } }"))["takes"]
        assert [(take["number"], take["status"], take["output"] is not None) for take in takes_after] == [
            (2, "COMPLETED", True),
            (1, "CANCELED", False),
        ]
        assert [take["providerId"] for take in takes_after] == fake.followed[::-1]

    async def test_a_scene_that_waits_in_the_queue_is_never_begun(self, tmp_path: Path) -> None:
        """Canceled before its turn."""
        gate = Gate()
        fake = Fake(gate.cooperative)
        async with running(tmp_path, only(fake), provider="external", render_concurrency=1) as app:
            made = await jobs.make(app, *(jobs.scene(str(n)) for n in range(3)), provider="fake", start=True)
            await eventually(lambda: fake.running == 1)
            await jobs.change(app, "cancelScene", sceneId=made.scenes[1])
            gate.open.set()
            assert await jobs.settled(app, made.id) == "CANCELED"
        assert fake.submitted == ["0", "2"]

    async def test_a_render_that_was_taken_over_leaves_the_order_alone(self, tmp_path: Path) -> None:
        """Another worker goes on with what was paid for."""
        fake = Fake(Gate().cooperative)
        async with running(tmp_path, only(fake), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            async with app.container.store.write() as connection:
                await connection.execute(sa.update(SCENE).values(run=SCENE.c.run + 1, leased_by="another"))
            await eventually(lambda: fake.running == 0)
            assert (await scene(app, made.id, "status"))["status"] == "PROCESSING"
        assert fake.canceled == []


class TestFailures:
    """What a provider says went wrong, and what goes wrong without its saying so."""

    async def test_a_retryable_failure_is_tried_again_after_a_while(self, tmp_path: Path) -> None:
        """Twice as long each time; every attempt is a take of its own."""
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
        waited = [seconds(one["finishedAt"], other["startedAt"]) for one, other in itertools.pairwise(takes)]
        assert 0.15 <= waited[0] < 0.4 + 1.0
        assert 0.35 <= waited[1] < 0.8 + 1.0
        once = ["SCENE_STARTED", "SCENE_UPDATED"]
        retried = [*once, "SCENE_RETRYING"] * 2
        assert log[: log.index("JOB_SETTLED")] == ["JOB_CREATED", "JOB_STARTED", *retried, *once, "SCENE_COMPLETED"]

    async def test_a_scene_that_waits_for_its_retry_says_so(self, tmp_path: Path) -> None:
        """Why it failed, when it is tried again; and it can be canceled meanwhile."""
        async with running(tmp_path, retry_first_seconds=60) as app:
            made = await jobs.make(app, jobs.scene(failTakes=1, steps=1, stepSeconds=0), start=True)

            async def waits() -> bool:
                return (await scene(app, made.id, "nextAttemptAt"))["nextAttemptAt"] is not None

            await eventually(waits)
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
    async def test_it_is_not_tried_for_ever(self, tmp_path: Path, attempts: int) -> None:
        """The last failure is the scene's."""
        async with running(tmp_path, max_attempts=attempts) as app:
            play = jobs.scene(outcome="fail", retryable=True, code="FLAKY", message="Not now.", steps=1, stepSeconds=0)
            made = await jobs.make(app, play, start=True)
            assert await jobs.settled(app, made.id) == "FAILED"
            found = await scene(app, made.id, "status attempts failure { code message retryable }")
        failure = {"code": "FLAKY", "message": "Not now.", "retryable": True}
        assert found == {"status": "FAILED", "attempts": attempts, "failure": failure}

    async def test_a_failure_that_stays_is_not_tried_again(self, app: App) -> None:
        """At once, with the provider's own words."""
        play = jobs.scene(outcome="fail", code="NSFW", message="Not this.", steps=1, stepSeconds=0)
        made = await jobs.make(app, play, start=True)
        assert await jobs.settled(app, made.id) == "FAILED"
        found = await scene(app, made.id, "status attempts failure { code message retryable }")
        failure = {"code": "NSFW", "message": "Not this.", "retryable": False}
        assert found == {"status": "FAILED", "attempts": 1, "failure": failure}

    async def test_one_bad_scene_costs_the_others_nothing(self, tmp_path: Path) -> None:
        """Whatever is bad about it."""

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

    async def test_a_render_that_says_nothing_ends_at_the_deadline(self, tmp_path: Path) -> None:
        """And the provider is told that nobody waits for it any more."""
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

    @pytest.mark.parametrize("where", ["submit", "at first", "in the middle", "no generator"])
    async def test_what_a_provider_did_not_mean_to_say_is_masked(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
    ) -> None:
        """Logged once, with its traceback, under the id that the client is told."""

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
            if where == "at first":
                raise RuntimeError(SECRET)
            yield Progress(0.5)
            raise RuntimeError(SECRET)

        with caplog.at_level(logging.INFO):
            async with running(tmp_path, only(Broken(follow)), provider="external", max_attempts=1) as app:
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

    async def test_a_clip_that_was_delivered_counts_whatever_comes_after_it(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A provider that cannot tidy up is the operator's concern."""

        async def follow(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            try:
                yield sample().write(order.workdir)
            finally:
                raise RuntimeError(SECRET)

        async with running(tmp_path, only(Fake(follow)), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert SECRET in str(record.exc_info)

    async def test_a_provider_that_ends_without_a_result_has_failed(self, tmp_path: Path) -> None:
        """There is no clip to show."""

        async def nothing(_order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            yield Progress(1.0)

        async with running(tmp_path, only(Fake(nothing)), provider="external", max_attempts=1) as app:
            made = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "FAILED"
            failure = (await scene(app, made.id, "failure { code message retryable }"))["failure"]
        assert failure == {
            "code": "NO_RESULT",
            "message": "The provider ended without a result.",
            "retryable": False,
        }

    async def test_a_clip_waits_for_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It was paid for: it is neither thrown away nor ordered again because a disk is full for a while."""
        refusals = 3
        fake = Fake()

        async with running(tmp_path, only(fake), provider="external") as app:
            store = app.container.media.store

            async def failing(key: str, asset: Asset) -> Json:
                nonlocal refusals
                if refusals:
                    refusals -= 1
                    raise OSError(SECRET)
                return await store(key, asset)

            monkeypatch.setattr(app.container.media, "store", failing)
            made = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, made.id) == "COMPLETED"
        assert (refusals, len(fake.submitted)) == (0, 1)

    async def test_a_clip_that_cannot_be_stored_is_a_failure(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of our own: only a person may order it again, and details are for the operator."""
        fake = Fake()
        monkeypatch.setattr(take_files, "STORE_TIMEOUT_SECONDS", 0.3)
        async with running(tmp_path, only(fake), provider="external", max_attempts=2) as app:
            with monkeypatch.context() as broken:
                broken.setattr(app.container.media, "store", full)
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

    async def test_a_frame_that_cannot_be_stored_is_let_go(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody loses a clip for want of a glimpse of it."""

        async def failing(_key: str, _content: bytes) -> None:
            raise OSError(SECRET)

        monkeypatch.setattr(app.container.media, "put", failing)
        made = await jobs.make(app, jobs.scene(frames=True), start=True)
        assert await jobs.settled(app, made.id) == "COMPLETED"

    async def test_a_provider_that_the_server_no_longer_has_is_named(self, tmp_path: Path) -> None:
        """The job was made when it still had it."""
        async with running(tmp_path, only(Fake()), provider="external") as app:
            made = await jobs.make(app, provider="fake")
        async with running(tmp_path) as app:
            await jobs.change(app, "startJob", jobId=made.id)
            assert await jobs.settled(app, made.id) == "FAILED"
            found = await scene(app, made.id, "attempts failure { code message retryable }")
        message = "This server has no provider fake."
        assert found == {"attempts": 1, "failure": {"code": "UNKNOWN_PROVIDER", "message": message, "retryable": False}}


class TestAStop:
    """The server stops in the middle of a render, and starts again."""

    async def test_the_next_start_follows_the_same_order(self, tmp_path: Path) -> None:
        """Nothing that was paid for is bought twice, and the clip is recorded once."""
        first, second = Fake(Gate().cooperative), Fake()
        async with running(tmp_path, only(first), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
        assert first.running == 0
        async with running(tmp_path, only(second), provider="external") as app:
            assert await jobs.settled(app, made.id) == "COMPLETED"
            log = [event["type"] for event in await jobs.log(app, made.id)]
            found = await scene(app, made.id, "attempts providerId takes { number }")
        assert (first.canceled, second.submitted) == ([], [])
        assert first.followed == second.followed == [found["providerId"]]
        assert (found["attempts"], len(found["takes"])) == (1, 1)
        assert log[2:6] == ["SCENE_STARTED", "SCENE_UPDATED", "SCENE_COMPLETED", "JOB_SETTLED"]

    async def test_a_provider_that_ignores_it_does_not_hold_it_up(self, tmp_path: Path) -> None:
        """The process will end, and the provider with it."""
        gate = Gate()
        fake = Fake(gate.stubborn)
        # It would stop only when the gate opens, after this block.
        async with asyncio.timeout(TIMEOUT_SECONDS), running(tmp_path, only(fake), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
        gate.open.set()
        await eventually(lambda: fake.running == 0)


async def full(_key: str, _asset: Asset) -> Json:
    """A store that has no room."""
    raise OSError(SECRET)


def seconds(earlier: str, later: str) -> float:
    """From one instant to another, as the API tells them."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
