"""A client of Subscription.jobEvents: its document, and the view that it builds from the messages."""

from typing import Any

from tests.support import jobs
from tests.support.client import Client, Json, Stream

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
    """The state of a job that a client builds from messages alone. Asserts that no message is missing."""

    def __init__(self, after: int | None = None) -> None:
        self.version = after
        self.reasons: list[str] = []
        self.job: Json = {}
        self.scenes: dict[str, Json] = {}

    def resume(self, after: int | None) -> None:
        """Expect the messages of a subscription that resumes after this version."""
        self.version = after

    def show(self, message: Json) -> None:
        """Apply one message, which must follow the previous one without a gap or a duplicate."""
        match message["kind"]:
            case "JobSnapshot":
                self._show_snapshot(message)
            case "JobEvent":
                assert self.version is not None, "the first message of a stream that names no version is a snapshot"
                assert message["version"] == self.version + 1
                self.version = message["version"]
                self._show_event(message)
            case _:
                assert self.version is not None, "progress came before the state that it belongs to"

    def state(self) -> tuple[Json, dict[str, Json]]:
        """Return the job and its live scenes as shown."""
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
    """Return what a view must show at the end, read by a query."""
    selection = "id title status version scenes { nodes { id title prompt status } }"
    job = await jobs.job(client, job_id, selection)
    scenes = {scene["id"]: scene for scene in job.pop("scenes")["nodes"]}
    return job, scenes


async def next_messages(stream: Stream, number: int) -> list[Json]:
    """Return the next messages."""
    return [(await stream.next())["jobEvents"] for _ in range(number)]


async def messages_until_complete(stream: Stream) -> list[Json]:
    """Return all messages until `complete`."""
    return [message["jobEvents"] for message in await stream.rest()]


def events(messages: list[Json]) -> list[tuple[int, str]]:
    """Return the version and type of each event."""
    return [(message["version"], message["type"]) for message in messages if message["kind"] == "JobEvent"]
