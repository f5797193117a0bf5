"""Dry runs of scene batches beside idempotency keys."""

import pytest

from tests.support.client import Json
from tests.support.factories import a_job_of, accepted
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

SELECTION = "results { sceneId errors { code } } job { version } errors { code }"


async def test_dry_run_of_a_batch_neither_uses_nor_remembers_its_idempotency_key(shared: App) -> None:
    """It foresees the state of now, also after a real run with its key, and a real run with its key still acts."""
    made = await a_job_of(shared, "PENDING", "PENDING", start=True)
    request: Json = {"jobId": made.id, "sceneIds": made.scenes, "idempotencyKey": "cancel-both"}
    foreseen = await shared.mutate("cancelScenes", SELECTION, **request, dryRun=True)
    done = await shared.mutate("cancelScenes", SELECTION, **request)
    assert done["results"] == foreseen["results"]
    assert done["job"]["version"] > foreseen["job"]["version"]
    await accepted(shared, "regenerateScene", sceneId=made.scenes[0])
    # A delete is refused now that the job is processing; a remembered answer would say that it was accepted.
    deletion: Json = {"jobId": made.id, "sceneIds": [made.scenes[1]], "idempotencyKey": "delete-second"}
    refused = await shared.mutate("deleteScenes", SELECTION, **deletion, dryRun=True)
    assert [error["code"] for result in refused["results"] for error in result["errors"]] == ["JOB_PROCESSING"]
    await accepted(shared, "cancelScene", sceneId=made.scenes[0])
    deleted = await shared.mutate("deleteScenes", SELECTION, **deletion)
    assert [result["errors"] for result in deleted["results"]] == [[]]
    again = await shared.mutate("deleteScenes", SELECTION, **deletion, dryRun=True)
    assert [error["code"] for result in again["results"] for error in result["errors"]] == ["ALREADY_DELETED"]
