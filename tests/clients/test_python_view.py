"""What the Python client shows of a job: always a state that the server had, and never an older one."""

import random
from typing import Any, NamedTuple

import pytest

from scenewire.errors import Json
from scenewire.following import Event, SceneProgress, Snapshot, View
from scenewire.websocket import ConnectionLost
from tests.support import jobs

RUNS, STEPS, SCENES = 40, 30, 3
NOW = "2026-01-31T12:00:00Z"
TIMES = dict.fromkeys(("createdAt", "updatedAt"), NOW) | dict.fromkeys(("startedAt", "finishedAt", "deletedAt"))


class State(NamedTuple):
    """A state of the server: the version, and the percentage of each scene."""

    version: int
    percentages: tuple[float, ...]

    @property
    def percentage(self) -> float:
        """The percentage of the job."""
        return sum(self.percentages) / len(self.percentages)


def progress(state: State) -> Json:
    """Return a JobProgress."""
    counters = dict.fromkeys(("total", "pending", "processing", "completed", "failed", "canceled"), 0)
    stage = {"currentStage": "GENERATING", "stageLabel": "", "etaSeconds": None, "updatedAt": NOW}
    return {"version": state.version, "percentage": state.percentage, **counters, **stage}


def scene(state: State, index: int) -> Json:
    """Return a Scene."""
    empty = ("title", "providerId", "nextAttemptAt", "output", "poster", "preview", "failure")
    fixed = {"id": f"scene_{index}", "jobId": "job_1", "prompt": "x", "provider": "external", "status": "PROCESSING"}
    numbers = {"position": index, "durationSeconds": 5, "attempts": 1, "maxAttempts": 3, "version": 1}
    own: Json = {"percentage": state.percentages[index], "availableActions": [], "metadata": {}}
    return {**dict.fromkeys(empty), **fixed, **numbers, **own, **TIMES}


def job(state: State) -> Json:
    """Return a Job whose title names its version."""
    fixed: Json = {"id": "job_1", "provider": "external", "status": "PROCESSING", "ownerId": "amy", "metadata": {}}
    empty = dict.fromkeys(("output", "outputFailure", "purgeAfter"))
    nodes = [scene(state, index) for index in range(len(state.percentages))]
    own = {"title": f"Version {state.version}", "version": state.version, "progress": progress(state)}
    return {**fixed, **empty, **own, **TIMES, "scenes": {"nodes": nodes}}


def snapshot(state: State, reason: str = "INITIAL") -> Json:
    """Return a JobSnapshot."""
    return {"jobEvents": {"__typename": "JobSnapshot", "reason": reason, "version": state.version, "job": job(state)}}


def event(version: int, read: State | None) -> Json:
    """Return a JobEvent whose job was read in a state."""
    about = {"type": "JOB_UPDATED", "sceneId": None, "occurredAt": NOW, "actorId": None, "changed": ["title"]}
    shown = None if read is None else job(read)
    return {"jobEvents": {"__typename": "JobEvent", "version": version, **about, "job": shown}}


def scene_progress(index: int, read: State) -> Json:
    """Return a SceneProgress that was read in a state."""
    about = {"sceneId": f"scene_{index}", "takeNumber": 1, "percentage": read.percentages[index], "preview": None}
    return {"jobEvents": {"__typename": "SceneProgress", **about, "progress": progress(read)}}


class Server:
    """A server whose messages are read later than what they report, and are repeated after a lost connection."""

    def __init__(self, chance: random.Random) -> None:
        self.states = [State(1, (0.0,) * SCENES)]
        self._chance = chance

    def step(self) -> Json | None:
        """Change the job; return progress, or None for an event, which `events` has."""
        last = self.states[-1]
        if self._chance.random() < 0.4:
            self.states.append(State(last.version + 1, last.percentages))
            return None
        index = self._chance.randrange(SCENES)
        grown = min(100.0, last.percentages[index] + self._chance.choice([0, 1, 10]))
        changed = (*last.percentages[:index], grown, *last.percentages[index + 1 :])
        self.states.append(State(last.version, changed))
        return scene_progress(index, self.states[-1])

    def events(self, after: int, read_from: int) -> list[Json]:
        """Return the events after a version, with the job as of a state since `read_from`, in the order of reading."""
        versions = range(after + 1, self.states[-1].version + 1)
        first = [next(at for at, state in enumerate(self.states) if state.version == version) for version in versions]
        read = sorted(self._chance.randint(max(at, read_from), len(self.states) - 1) for at in first)
        return [event(version, self.states[at]) for version, at in zip(versions, read, strict=True)]


def check(shown: Any, before: Any, states: list[State]) -> None:
    """Assert that a shown job was a state of the server, and is not older than the one before."""
    of_version = [state for state in states if state.version == shown.version]
    assert shown.title == f"Version {shown.version}"
    assert shown.progress.version == shown.version
    assert shown.progress.percentage in {state.percentage for state in of_version}
    for index, each in enumerate(shown.scenes):
        assert each.percentage in {state.percentages[index] for state in of_version}
    if before is not None:
        assert shown.version >= before.version
        if shown.version == before.version:
            assert shown.progress.percentage >= before.progress.percentage
            assert all(new.percentage >= old.percentage for old, new in zip(before.scenes, shown.scenes, strict=True))


def test_random_feeds_show_only_states_that_were() -> None:
    """With progress before its event, jobs newer than their event, and messages that another stream received before."""
    chance = jobs.seeded("feeds")
    for _ in range(RUNS):
        server, view, before, versions = Server(chance), View(), None, list[int]()
        view.fold(snapshot(server.states[0]))
        feed: list[Json] = []
        for _ in range(STEPS):
            made = [server.step() for _ in range(chance.randrange(1, 8))]
            feed += [message for message in made if message is not None]
            # A connection may be lost before all of it was received.
            for _ in range(len(feed) if chance.random() < 0.5 else chance.randrange(len(feed) + 1)):
                message = view.fold(feed.pop(0))
                if message is not None:
                    check(message.job, before, server.states)
                    before = message.job
                    versions += [message.version] if isinstance(message, Event) else []
            if chance.random() < 0.6:
                # A new connection. Its messages are read now, or were read for another stream long ago.
                feed = server.events(view.position or 0, chance.choice([0, len(server.states) - 1]))
        for last in server.events(view.position or 0, len(server.states) - 1):
            message = view.fold(last)
            assert isinstance(message, Event)
            versions.append(message.version)
            before = message.job
        assert versions == list(range(2, server.states[-1].version + 1))
        assert before is None or before.version == server.states[-1].version


def test_gap_is_a_lost_connection_and_a_repeat_is_dropped() -> None:
    """The client then resumes after the last event that it has."""
    view, one = View(), State(1, (0.0,))
    with pytest.raises(ConnectionLost):
        view.fold(event(2, one))
    view.fold(snapshot(one))
    assert view.fold(event(1, one)) is None
    with pytest.raises(ConnectionLost):
        view.fold(event(3, State(3, (0.0,))))
    assert view.position == 1
    assert isinstance(view.fold(event(2, State(2, (0.0,)))), Event)


def test_snapshot_replaces_what_is_shown() -> None:
    """Also with a lower version, when the database was restored from a backup."""
    view = View()
    for state in (State(5, (50.0,)), State(3, (10.0,))):
        message = view.fold(snapshot(state, "LOG_TRUNCATED"))
        assert isinstance(message, Snapshot)
        assert (message.job.version, view.position) == (state.version, state.version)
        assert message.job.progress.percentage == state.percentage


def test_purged_job_is_shown_as_it_was() -> None:
    """The event of its deletion has no job any more; messages of unknown types are ignored."""
    view = View(after=1)
    assert view.fold(scene_progress(0, State(1, (1.0,)))) is None
    assert view.fold(event(2, None)) is None
    view.fold(event(3, State(3, (7.0,))))
    message = view.fold(event(4, None))
    assert isinstance(message, Event)
    assert (message.version, message.job.version) == (4, 3)
    assert view.fold({"jobEvents": {"__typename": "SceneDream"}}) is None
    assert isinstance(view.fold(scene_progress(0, State(3, (8.0,)))), SceneProgress)
