"""Checks after a run, of the rows, the acknowledged changes and the views of the subscribers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tests.chaos.client_view import ClientView
from tests.chaos.history import CONSEQUENCES, Change, action_of
from tests.support.db_dump import DbDump
from tests.support.violations import Kind, Violation

Json = dict[str, Any]
A = TypeVar("A")
B = TypeVar("B")
# Job, action, scene.
Key = tuple[str, str, str | None]

# The progress of a job may fall with one of these.
MAY_LOWER_PROGRESS = frozenset({"SCENE_REGENERATED", "SCENE_ADDED", "SCENE_DELETED", "SCENE_RESTORED"})


def check_history(dump: DbDump, changes: Sequence[Change]) -> Iterator[Violation]:
    """Every acknowledged change is in the log, and the log has no change that was not requested."""
    requested: defaultdict[Key, list[Change]] = defaultdict(list)
    for change in changes:
        requested[change.job_id, change.action, change.scene_id].append(change)
    logged: defaultdict[Key, list[int]] = defaultdict(list)
    for job_id, events in dump.events.items():
        for event in events:
            if event["actor_id"] is not None:
                action = action_of(event["type"], event["changed"], of_scene=event["scene_id"] is not None)
                logged[job_id, action, event["scene_id"]].append(event["version"])
    for key in requested.keys() | logged.keys():
        acknowledged = [change for change in requested[key] if change.acknowledged]
        for change in _unmatched(acknowledged, logged[key], Change.may_have):
            yield Violation(Kind.LOST_CHANGE, f"{change} is not among {logged[key]}")
        if key[1] not in CONSEQUENCES:
            for version in _unmatched(logged[key], requested[key], lambda version, change: change.may_have(version)):
                yield Violation(Kind.UNKNOWN_CHANGE, f"{key} at {version} is none of {requested[key]}")
    yield from _check_values(dump, changes)


def check_views(dump: DbDump, views: Iterable[tuple[str, ClientView]]) -> Iterator[Violation]:
    """Every view shows what the database has, and progress fell only with an event that may lower it."""
    for job_id, view in views:
        shown, expected = view.state(), dump.expected_view(job_id)
        if shown != expected:
            yield view.violation(Kind.VIEW_DIFFERS, f"shows {shown} and not {expected}")
        may_fall = [event["version"] for event in dump.events[job_id] if event["type"] in MAY_LOWER_PROGRESS]
        for before, after in view.falls:
            if not any(before.version < version <= after.version for version in may_fall):
                yield view.violation(Kind.BACKWARDS, f"progress fell from {before} to {after}")


def _check_values(dump: DbDump, changes: Sequence[Change]) -> Iterator[Violation]:
    """The last written titles are there, and a request with a key was executed once."""
    by_value = {change.value: change for change in changes if change.value}
    for job_id, scenes in dump.scenes.items():
        edits = _last_edits(dump.events[job_id])
        titles = [(None, dump.jobs[job_id]["title"]), *((scene["id"], scene["title"]) for scene in scenes)]
        for scene_id, title in titles:
            version, change = edits.get(scene_id), by_value.get(title or "")
            if version is None:
                continue
            if change is None or change.scene_id != scene_id or not change.may_have(version):
                where = f"the last title of {scene_id or job_id} is of version {version}"
                yield Violation(Kind.LOST_CHANGE, f"{where}, and {title} was written by {change}")
    prompts = Counter(scene["prompt"] for scenes in dump.scenes.values() for scene in scenes)
    takes = [take for takes in dump.takes.values() for take in takes]
    retakes = Counter(take["prompt"] for take in takes if take["reason"] == "REGENERATE")
    for change in changes:
        if change.action == "SCENE_REGENERATED" and change.acknowledged and retakes[change.value] != 1:
            yield Violation(Kind.LOST_CHANGE, f"{change} made {retakes[change.value]} takes")
        if change.action == "SCENE_ADDED" and prompts[change.value] > 1:
            yield Violation(Kind.UNKNOWN_CHANGE, f"{change} made {prompts[change.value]} scenes")


def _last_edits(events: list[Json]) -> dict[str | None, int]:
    """Return the version of the last change of title of the job (key None) and of each scene."""
    return {
        event["scene_id"]: event["version"]
        for event in events
        if "title" in event["changed"] and event["type"] != "JOB_CREATED"
    }


def _unmatched(items: Sequence[A], candidates: Sequence[B], fits: Callable[[A, B], bool]) -> list[A]:
    """Return the items without a partner in a maximum matching with the candidates: Kuhn's algorithm."""
    partners: dict[int, int] = {}

    def find(index: int, tried: set[int]) -> bool:
        for number, candidate in enumerate(candidates):
            if number not in tried and fits(items[index], candidate):
                tried.add(number)
                if number not in partners or find(partners[number], tried):
                    partners[number] = index
                    return True
        return False

    return [each for index, each in enumerate(items) if not find(index, set())]
