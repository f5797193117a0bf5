"""A job whose scenes render all the time, with a new title in between: so messages of progress meet other versions."""

import asyncio
from typing import Any

from tests.chaos.api import AnswerLost, Api, NotSent
from tests.chaos.shared_state import SharedState, Topic

Json = dict[str, Any]

SCENES = 3
# A render takes 4 s, and reports its progress as often as streams send it.
SCRIPT = {"steps": 50, "stepSeconds": 0.08}
PAUSE_SECONDS = 0.12
RETRY_SECONDS = 0.1

CREATE = "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id version } errors { message } } }"
RETITLE = """mutation($input: UpdateJobInput!) {
  updateJob(input: $input) { job { version status scenes { nodes { id } } } errors { message } }
}"""
REGENERATE = """mutation($input: SceneBatchInput!) {
  regenerateScenes(input: $input) { job { version } errors { message } }
}"""


class TickingJob:
    """The job, and the only client that changes it."""

    def __init__(self, url: str, shared: SharedState) -> None:
        self._shared = shared
        self._api = Api(url, shared.random_source("ticking"))
        self._titles = 0
        self._job_id = ""

    async def create(self) -> None:
        """Create the job, and add it to the run."""
        scenes = [
            {"prompt": f"ticking {number}", "durationSeconds": 1.0, "metadata": {"script": SCRIPT}}
            for number in range(SCENES)
        ]
        fields = {"title": "Ticking", "provider": "scripted", "scenes": scenes, "start": True}
        job = (await self._api.execute(CREATE, {"input": fields}))["createJob"]["job"]
        self._job_id = job["id"]
        self._shared.add(Topic(self._job_id, "scripted", hot=True))

    async def change(self, until: asyncio.Event) -> None:
        """Change its title again and again until the event, and render settled scenes again."""
        while not until.is_set():
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                await self._change()
            except (NotSent, AnswerLost):
                await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _change(self) -> None:
        self._titles += 1
        fields: Json = {"jobId": self._job_id, "title": f"Ticking {self._titles}"}
        job = (await self._api.execute(RETITLE, {"input": fields}))["updateJob"]["job"]
        self._shared.acknowledge(self._job_id, job["version"])
        if job["status"] != "PROCESSING":
            scene_ids = [scene["id"] for scene in job["scenes"]["nodes"]]
            await self._api.execute(REGENERATE, {"input": {"jobId": self._job_id, "sceneIds": scene_ids}})
