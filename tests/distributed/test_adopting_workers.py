"""External jobs in a deployment of API processes and workers: adopted clips, and takes without reports."""

from collections import Counter
from pathlib import Path

from tests.support import jobs
from tests.support.clip_host import Gate, clip_bytes, delivered, hosting
from tests.support.delivered_files import PLAIN
from tests.support.deployment import client_of, deployed
from tests.support.factories import a_job, accepted
from tests.support.postgres import Databases
from tests.support.queries import read_scene

LEASE_SECONDS = 2
SCENE = "status attempts takes { number } poster { url }"


async def test_adoption_of_a_killed_worker_is_finished_by_another(tmp_path: Path, postgres: Databases) -> None:
    """By the same take, once, although the ticket was being worked on. API processes fetch nothing."""
    clip = clip_bytes(tmp_path, PLAIN)
    with postgres.fresh() as url:
        async with (
            hosting() as host,
            deployed(tmp_path, url, lease_seconds=LEASE_SECONDS) as deployment,
            client_of(await deployment.api()) as client,
        ):
            host.files["/clip"] = Gate(delivered(clip))
            made = await jobs.make(
                client, {"prompt": "A kite", "durationSeconds": 1.0}, provider="external", start=True
            )
            fields = {"status": "COMPLETED", "adoptOutput": True, "outputUrl": host.url("/clip")}
            payload = await client.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], **fields)
            assert payload["errors"] == []
            assert host.asked == []
            first = await deployment.worker("first")
            await host.receiver.count(1)
            first.kill()
            host.files["/clip"] = delivered(clip)
            await deployment.worker("second")
            assert await jobs.settled(client, made.id) == "COMPLETED"
            scene = await read_scene(client, made.scenes[0], SCENE)
            log = Counter(event["type"] for event in await jobs.log(client, made.id))
    assert (scene["attempts"], scene["takes"]) == (1, [{"number": 1}])
    assert scene["poster"] is not None
    assert (log["SCENE_STARTED"], log["SCENE_COMPLETED"]) == (1, 1)
    assert host.asked == ["/clip"] * 2


async def test_silent_takes_fail_once_in_many_processes(tmp_path: Path, postgres: Databases) -> None:
    """Each attempt of each scene ends once, whichever process finds it first."""
    with postgres.fresh() as url:
        async with (
            deployed(tmp_path, url, external_deadline_seconds=0.5) as deployment,
            client_of(await deployment.api()) as client,
        ):
            await deployment.workers(2)
            made = [await a_job(client, *(f"Scene {number}" for number in range(10)), start=True) for _ in range(2)]
            for job in made:
                assert await jobs.settled(client, job.id) == "FAILED"
                log = await jobs.log(client, job.id, "type sceneId")
                ends = Counter((event["type"], event["sceneId"]) for event in log if event["sceneId"])
                for scene_id in job.scenes:
                    assert (ends["SCENE_RETRYING", scene_id], ends["SCENE_FAILED", scene_id]) == (2, 1)
            await accepted(client, "regenerateScene", sceneId=made[0].scenes[0])
            assert await jobs.settled(client, made[0].id) == "FAILED"
