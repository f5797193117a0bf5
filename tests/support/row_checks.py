"""Checks of the rows of a server after kills, outages or a restore: they need no history of what was asked for."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.support.db_dump import DbDump
from tests.support.violations import Kind, Violation

Json = dict[str, Any]

STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED")
# The events that end a take, and those that may follow for its scene.
END_EVENTS = frozenset({"SCENE_COMPLETED", "SCENE_FAILED", "SCENE_CANCELED"})
AFTER_END = frozenset({"SCENE_UPDATED", "SCENES_REORDERED", "SCENE_REGENERATED", "SCENE_DELETED"})


def check_rows(dump: DbDump) -> Iterator[Violation]:
    """Each log is 1..n, n is the version of the job; counters, status, positions and takes match the rows."""
    for job_id, job in dump.jobs.items():
        versions = [event["version"] for event in dump.events.get(job_id, [])]
        if versions != list(range(1, job["version"] + 1)):
            yield Violation(Kind.LOG, f"{job_id} is at {job['version']}, and its log has {versions}")
        yield from _check_lives(dump.events.get(job_id, []))
        yield from _check_counters(job, dump.live_scenes(job_id))
        yield from _check_takes(job_id, dump)


def _check_lives(events: list[Json]) -> Iterator[Violation]:
    """A take ends once, and an ended scene goes on only by a regenerate: late results change nothing."""
    last: dict[str | None, str] = {}
    for event in events:
        scene_id, kind = event["scene_id"], event["type"]
        before = last.get(scene_id, "")
        if scene_id is None:
            continue
        if before == "SCENE_DELETED" or (before in END_EVENTS and kind not in AFTER_END):
            yield Violation(Kind.LOG, f"{scene_id} has {kind} at {event['version']}, after {before}")
        if before not in END_EVENTS or kind in ("SCENE_REGENERATED", "SCENE_DELETED"):
            last[scene_id] = kind


def _check_counters(job: Json, scenes: list[Json]) -> Iterator[Violation]:
    statuses = Counter(scene["status"] for scene in scenes)
    counted = {name: job[name.lower()] for name in STATUSES} | {"retrying": job["retrying"]}
    retrying = sum(scene["status"] == "PENDING" and scene["next_attempt_at"] is not None for scene in scenes)
    actual = {name: statuses[name] for name in STATUSES} | {"retrying": retrying}
    if counted != actual:
        yield Violation(Kind.COUNTERS, f"{job['id']} counts {counted}, and the rows are {actual}")
    status = _status(job, statuses)
    if job["status"] != status:
        yield Violation(Kind.COUNTERS, f"{job['id']} is {job['status']} with {actual}, not {status}")
    positions = [scene["position"] for scene in scenes]
    if positions != list(range(len(scenes))):
        yield Violation(Kind.COUNTERS, f"{job['id']} has its scenes at {positions}")


def _status(job: Json, statuses: Counter[str]) -> str:
    if job["started_at"] is None and job["canceled_at"] is None:
        return "PENDING"
    if statuses["PENDING"] or statuses["PROCESSING"]:
        return "PROCESSING"
    if statuses.total() and statuses["COMPLETED"] == statuses.total():
        return "COMPLETED"
    return "FAILED" if statuses["FAILED"] else "CANCELED"


def _check_takes(job_id: str, dump: DbDump) -> Iterator[Violation]:
    """Takes are numbered 1..n, the scene shows the last, and the log has each completion once."""
    takes: defaultdict[str, list[Json]] = defaultdict(list)
    for take in dump.takes.get(job_id, []):
        takes[take["scene_id"]].append(take)
    logged = Counter(event["scene_id"] for event in dump.events[job_id] if event["type"] == "SCENE_COMPLETED")
    for scene in dump.scenes.get(job_id, []):
        own = takes[scene["id"]]
        numbers = [take["number"] for take in own]
        if numbers != list(range(1, len(own) + 1)) or own[-1]["id"] != scene["take_id"]:
            yield Violation(Kind.LOG, f"{scene['id']} has the takes {numbers} and shows {scene['take_number']}")
        completed = sum(take["status"] == "COMPLETED" for take in own)
        if completed != logged[scene["id"]]:
            yield Violation(Kind.LOG, f"{scene['id']} completed {completed} takes, logged are {logged[scene['id']]}")
