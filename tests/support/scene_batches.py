"""Send batches of scene mutations."""

from typing import Any

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import a_job_of
from tests.support.server_app import App

ERRORS = """errors {
  __typename code path
  ... on NotFoundError { id } ... on StateError { from to allowed } ... on ConflictError { currentVersion }
}"""
PAYLOAD = f"""
results {{ sceneId scene {{ id status position }} {ERRORS} }} succeeded failed dryRun job {{ id status }} {ERRORS}
"""
# The batches that name scenes by id or status: the event of the single mutation, and the statuses that it accepts.
BATCHES = {
    "regenerateScenes": ("SCENE_REGENERATED", ["COMPLETED", "FAILED", "CANCELED"]),
    "cancelScenes": ("SCENE_CANCELED", ["PENDING", "PROCESSING"]),
    "deleteScenes": ("SCENE_DELETED", ["COMPLETED", "FAILED", "CANCELED"]),
    "restoreScenes": ("SCENE_RESTORED", ["COMPLETED", "FAILED", "CANCELED"]),
}


async def batch(app: App, name: str, **fields: Any) -> Json:
    """Send a batch; its counts must match its results."""
    payload = await app.mutate(name, PAYLOAD, **fields)
    failed = sum(bool(result["errors"]) for result in payload["results"])
    assert (payload["failed"], payload["succeeded"]) == (failed, len(payload["results"]) - failed)
    assert all((result["scene"] is None) == bool(result["errors"]) for result in payload["results"])
    return payload


async def scenes_for(app: App, name: str) -> jobs.Made:
    """Return a job with two scenes in each status that the batch accepts; for a restore they are deleted."""
    _, statuses = BATCHES[name]
    made = await a_job_of(app, *statuses, *statuses)
    if name == "restoreScenes":
        await batch(app, "deleteScenes", jobId=made.id, sceneIds=made.scenes)
    return made
