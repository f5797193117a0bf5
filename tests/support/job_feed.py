"""What a client of Subscription.jobEvents sees and shows: the document, and the view that folds its messages."""

from typing import Any

from tests.support import jobs
from tests.support.client import Client, Json

FRAGMENTS = """
fragment J on Job { id title status version }
fragment S on Scene { id title prompt status }
"""

FEED = (
    """
subscription Feed($jobId: ID!, $after: Int, $untilSettled: Boolean! = false) {
  jobEvents(jobId: $jobId, after: $after, untilSettled: $untilSettled) {
    kind: __typename
    ... on JobSnapshot { reason version job { ...J scenes { nodes { ...S } } } }
    ... on JobEvent { version type now: job { ...J } scene { ...S deletedAt } }
    ... on SceneProgress { sceneId takeNumber percentage }
  }
}
"""
    + FRAGMENTS
)

VERSIONS = """subscription($id: ID!) {
    jobEvents(jobId: $id) { ... on JobSnapshot { version } ... on JobEvent { version } }
}"""


class ClientView:
    """A job as a client shows it that does nothing but fold what it is sent, and checks that nothing is missing."""

    def __init__(self, after: int | None = None) -> None:
        self.version = after
        self.reasons: list[str] = []
        self.job: Json = {}
        self.scenes: dict[str, Json] = {}

    def resume(self, after: int | None) -> None:
        """What follows was asked for from this version on."""
        self.version = after

    def show(self, message: Json) -> None:
        """Fold one message, which must follow the one before it without a hole or a repeat."""
        match message["kind"]:
            case "JobSnapshot":
                self._show_snapshot(message)
            case "JobEvent":
                assert self.version is not None, "the first message of a stream that names no version is a snapshot"
                assert message["version"] == self.version + 1
                self.version = message["version"]
                self._show_event(message)
            case _:
                assert self.version is not None, "a fraction came before the state it belongs to"

    def state(self) -> tuple[Json, dict[str, Json]]:
        """What is shown: the job and its live scenes."""
        return self.job, self.scenes

    def _show_snapshot(self, message: Json) -> None:
        reason = message["reason"]
        if self.version is None:
            assert reason == "INITIAL"
        elif reason == "LAGGED":
            assert message["version"] > self.version
        else:
            assert reason == "LOG_TRUNCATED"
        self.version = message["version"]
        self.reasons.append(reason)
        job = dict(message["job"])
        self.scenes = {scene["id"]: scene for scene in job.pop("scenes")["nodes"]}
        self.job = job

    def _show_event(self, message: Json) -> None:
        self.job = message["now"]
        scene: dict[str, Any] | None = message["scene"]
        if scene is not None:
            scene = dict(scene)
            if scene.pop("deletedAt") is None:
                self.scenes[scene["id"]] = scene
            else:
                self.scenes.pop(scene["id"], None)


async def truth(client: Client, job_id: str) -> tuple[Json, dict[str, Json]]:
    """What a view must show at the end."""
    selection = "id title status version scenes { nodes { id title prompt status } }"
    job = await jobs.job(client, job_id, selection)
    scenes = {scene["id"]: scene for scene in job.pop("scenes")["nodes"]}
    return job, scenes
