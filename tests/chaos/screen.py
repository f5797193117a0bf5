"""A screen: a job as a subscriber shows it that does nothing but fold what it is told."""

from collections import deque
from typing import Any, NamedTuple

from tests.chaos.violations import Kind, Violation

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


def document(text: str, *, wide: bool = False) -> str:
    """With the fragments; a wide one asks for messages that soon fill every buffer."""
    return text.replace("%s", "pad: metadata" if wide else "") + FRAGMENTS


class ProgressSnapshot(NamedTuple):
    """A job's progress as it was told."""

    version: int
    percentage: float
    where: str = ""


class Screen:
    """Folds the messages of one connection after another, and objects to whatever does not follow."""

    def __init__(self, name: str) -> None:
        self.version: int | None = None
        self.falls: list[tuple[ProgressSnapshot, ProgressSnapshot]] = []
        self._name = name
        self._connection = ""
        self._expected: str | None = None
        self._job: Json = {}
        self._scenes: dict[str, Json] = {}
        self._reading = ProgressSnapshot(0, 0.0)
        self._fractions: dict[tuple[str, int], float] = {}
        self._told: deque[str] = deque(maxlen=40)

    def resume(self, after: int | None, how: str, *, known: bool) -> None:
        """What follows was asked for from this version on; one that is not `known` is of no job on this server."""
        self._connection = f"{how} after {after}"
        self._told.append(f"[{self._connection}]")
        self.version = after
        self._expected = None if known else ("INITIAL" if after is None else "LOG_TRUNCATED")

    def show(self, message: Json) -> None:
        """Fold one message."""
        match message["kind"]:
            case "JobSnapshot":
                self._told.append(f"{message['reason']} {message['version']}")
                self._show_snapshot(message)
            case "JobEvent":
                self._told.append(f"{message['version']} {message['type']}")
                self._show_event(message)
            case _:
                self._told.append(f"{message['sceneId']}/{message['takeNumber']} {message['percentage']}")
                self._show_fraction(message)

    def rows(self) -> tuple[Json, list[Json]]:
        """What is shown: the job, and its scenes in play order."""
        job = {name: self._job[name] for name in ("id", "title", "status", "version")}
        return job, [self._scenes.get(str(node["id"]), {}) for node in self._job["scenes"]["nodes"]]

    def objection(self, kind: Kind, why: str) -> Violation:
        """What is wrong, with what was told before."""
        where = f"{self._name}, {self._connection}, at version {self.version}"
        return Violation(kind, f"{where}: {why}; told: {', '.join(self._told)}")

    def _show_snapshot(self, message: Json) -> None:
        reason, version = message["reason"], message["version"]
        if reason != (self._expected or "LAGGED"):
            raise self.objection(Kind.UNCALLED, f"a snapshot {reason} where {self._expected} was due")
        if reason == "LAGGED" and self.version is not None and version <= self.version:
            raise self.objection(Kind.REPEAT, f"fell behind to {version}")
        self._expected = None
        self.version = version
        self._job = message["job"]
        self._scenes = {scene["id"]: scene for scene in self._job["scenes"]["nodes"]}
        self._read(self._job["progress"])

    def _show_event(self, message: Json) -> None:
        version = message["version"]
        if self._expected is not None or self.version is None:
            raise self.objection(Kind.HOLE, f"event {version} where a snapshot {self._expected} was due")
        if version > self.version + 1:
            raise self.objection(Kind.HOLE, f"event {version}")
        if version <= self.version:
            raise self.objection(Kind.REPEAT, f"event {version}")
        self.version = version
        if message["now"]["version"] < version:
            raise self.objection(Kind.BACKWARDS, f"event {version} came with the job at {message['now']['version']}")
        self._job = message["now"]
        scene: Json | None = message["scene"]
        if scene is not None:
            scene = dict(scene)
            if scene.pop("deletedAt") is None:
                self._scenes[scene["id"]] = scene
            else:
                self._scenes.pop(scene["id"], None)
        self._read(message["progress"])

    def _show_fraction(self, message: Json) -> None:
        if self._expected is not None:
            raise self.objection(Kind.HOLE, f"a fraction where a snapshot {self._expected} was due")
        take = (message["sceneId"], message["takeNumber"])
        percentage: float | None = message["percentage"]
        if percentage is not None:
            if percentage < self._fractions.get(take, 0.0):
                raise self.objection(Kind.BACKWARDS, f"{take} went from {self._fractions[take]} to {percentage}")
            self._fractions[take] = percentage
        self._read(message["progress"])

    def _read(self, progress: Json) -> None:
        """By the contract a reading with a lower version is stale. The log tells later whether a fall was allowed."""
        reading = ProgressSnapshot(progress["version"], progress["percentage"], f"{self._connection}: {self._told[-1]}")
        if reading.version < self._reading.version:
            return
        if reading.percentage < self._reading.percentage:
            if reading.version == self._reading.version:
                raise self.objection(Kind.BACKWARDS, f"progress fell from {self._reading} to {reading}")
            self.falls.append((self._reading, reading))
        self._reading = reading
