"""The view of a client: it folds the messages that it receives, and checks that each follows the last."""

from collections import deque
from typing import Any, NamedTuple

from tests.support.violations import Kind, Violation

Json = dict[str, Any]

FRAGMENTS = """
fragment J on Job { id title status version scenes { nodes { id } } }
fragment S on Scene { id title prompt status providerId attempts }
fragment P on JobProgress { version percentage }
"""
EVENT = "version type now: job { ...J %s } scene { ...S deletedAt } progress { ...P }"
STATE = "version job { ...J scenes { nodes { ...S } } progress { ...P } %s }"

FEED = """subscription($jobId: ID!, $after: Int) {
  jobEvents(jobId: $jobId, after: $after) {
    kind: __typename
    ... on JobSnapshot { reason STATE }
    ... on JobEvent { EVENT }
    ... on SceneProgress { sceneId takeNumber percentage progress { ...P } }
  }
}""".replace("STATE", STATE).replace("EVENT", EVENT)
POLL = """query($jobId: ID!, $after: Int!, $first: Int!) {
  job(id: $jobId) { events(first: $first, after: $after) { kind: __typename EVENT } }
}""".replace("EVENT", EVENT)
FIRST_POLL = """query($jobId: ID!) {
  job(id: $jobId) { version ...J scenes { nodes { ...S } } progress { ...P } }
}"""


def document(text: str, *, padded: bool = False) -> str:
    """Return the operation with its fragments; a padded one has messages that soon fill every buffer."""
    return text.replace("%s", "pad: metadata" if padded else "") + FRAGMENTS


class ReceivedProgress(NamedTuple):
    """The progress of a job as received, and the message that it came with."""

    version: int
    percentage: float
    source: str = ""


class ClientView:
    """The view of one subscriber, over one connection after another.

    `falls` are the pairs of readings between which the progress fell; the log decides later whether it may.
    """

    def __init__(self, name: str) -> None:
        self.version: int | None = None
        self.falls: list[tuple[ReceivedProgress, ReceivedProgress]] = []
        self._name = name
        self._connection = ""
        self._expected: str | None = None
        self._job: Json = {}
        self._scenes: dict[str, Json] = {}
        self._progress = ReceivedProgress(0, 0.0)
        self._percentages: dict[tuple[str, int], float] = {}
        self._received: deque[str] = deque(maxlen=40)

    def resume(self, after: int | None, transport: str, *, known: bool) -> None:
        """Start a connection that resumes after a version; the server cannot resume after one that is not `known`."""
        self._connection = f"{transport} after {after}"
        self._received.append(f"[{self._connection}]")
        self.version = after
        self._expected = None if known else ("INITIAL" if after is None else "LOG_TRUNCATED")

    def fold(self, message: Json) -> None:
        """Apply a message. Raises Violation when it does not follow from what came before."""
        match message["kind"]:
            case "JobSnapshot":
                self._received.append(f"{message['reason']} {message['version']}")
                self._fold_snapshot(message)
            case "JobEvent":
                self._received.append(f"{message['version']} {message['type']}")
                self._fold_event(message)
            case _:
                self._received.append(f"{message['sceneId']}/{message['takeNumber']} {message['percentage']}")
                self._fold_progress(message)

    def state(self) -> tuple[Json, list[Json]]:
        """Return what is shown: the job, and its scenes in play order."""
        job = {name: self._job[name] for name in ("id", "title", "status", "version")}
        return job, [self._scenes.get(str(node["id"]), {}) for node in self._job["scenes"]["nodes"]]

    def violation(self, kind: Kind, reason: str) -> Violation:
        """Return a violation with the messages that led to it."""
        where = f"{self._name}, {self._connection}, at version {self.version}"
        return Violation(kind, f"{where}: {reason}; received: {', '.join(self._received)}")

    def _fold_snapshot(self, message: Json) -> None:
        reason, version = message["reason"], message["version"]
        if reason != (self._expected or "LAGGED"):
            raise self.violation(Kind.UNEXPECTED_SNAPSHOT, f"a snapshot {reason} in place of {self._expected}")
        if reason == "LAGGED" and self.version is not None and version <= self.version:
            raise self.violation(Kind.REPEAT, f"a LAGGED snapshot at {version}")
        self._expected = None
        self.version = version
        self._job = message["job"]
        self._scenes = {scene["id"]: scene for scene in self._job["scenes"]["nodes"]}
        self._fold_reading(self._job["progress"])

    def _fold_event(self, message: Json) -> None:
        version = message["version"]
        if self._expected is not None or self.version is None:
            raise self.violation(Kind.GAP, f"event {version} in place of a snapshot {self._expected}")
        if version > self.version + 1:
            raise self.violation(Kind.GAP, f"event {version}")
        if version <= self.version:
            raise self.violation(Kind.REPEAT, f"event {version}")
        self.version = version
        if message["now"]["version"] < version:
            raise self.violation(Kind.BACKWARDS, f"event {version} came with the job at {message['now']['version']}")
        self._job = message["now"]
        scene: Json | None = message["scene"]
        if scene is not None:
            scene = dict(scene)
            if scene.pop("deletedAt") is None:
                self._scenes[scene["id"]] = scene
            else:
                self._scenes.pop(scene["id"], None)
        self._fold_reading(message["progress"])

    def _fold_progress(self, message: Json) -> None:
        if self._expected is not None:
            raise self.violation(Kind.GAP, f"progress in place of a snapshot {self._expected}")
        take = (message["sceneId"], message["takeNumber"])
        percentage: float | None = message["percentage"]
        if percentage is not None:
            if percentage < self._percentages.get(take, 0.0):
                raise self.violation(Kind.BACKWARDS, f"{take} went from {self._percentages[take]} to {percentage}")
            self._percentages[take] = percentage
        self._fold_reading(message["progress"])

    def _fold_reading(self, progress: Json) -> None:
        """Ignore stale progress, which has a lower version; at the same version it must not fall."""
        source = f"{self._connection}: {self._received[-1]}"
        reading = ReceivedProgress(progress["version"], progress["percentage"], source)
        if reading.version < self._progress.version:
            return
        if reading.percentage < self._progress.percentage:
            if reading.version == self._progress.version:
                raise self.violation(Kind.BACKWARDS, f"progress fell from {self._progress} to {reading}")
            self.falls.append((self._progress, reading))
        self._progress = reading
