"""The verdict: what must hold when the dust has settled, of the rows and of what was acknowledged and told."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tests.chaos.ledger import CONSEQUENCES, Claim, deed
from tests.chaos.remains import Remains
from tests.chaos.screen import Screen
from tests.chaos.violations import Kind, Violation

Json = dict[str, Any]
A = TypeVar("A")
B = TypeVar("B")

STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED")
# What ends a take, what may still happen to a scene then, and what happens to none that is deleted.
ENDS = frozenset({"SCENE_COMPLETED", "SCENE_FAILED", "SCENE_CANCELED"})
AFTER_THE_END = frozenset({"SCENE_UPDATED", "SCENES_REORDERED", "SCENE_REGENERATED", "SCENE_DELETED"})
# After one of these the progress of a job may be less than before.
FALLS = frozenset({"SCENE_REGENERATED", "SCENE_ADDED", "SCENE_DELETED", "SCENE_RESTORED"})


def of_rows(remains: Remains) -> Iterator[Violation]:
    """Every log is 1..n and n is the job's version; counters, statuses, positions and takes fit their rows."""
    for job_id, job in remains.jobs.items():
        versions = [event["version"] for event in remains.events.get(job_id, [])]
        if versions != list(range(1, job["version"] + 1)):
            yield Violation(Kind.LOG, f"{job_id} is at {job['version']}, and its log has {versions}")
        yield from _of_lives(remains.events.get(job_id, []))
        yield from _of_counters(job, remains.live(job_id))
        yield from _of_takes(job_id, remains)


def of_claims(remains: Remains, claims: Sequence[Claim]) -> Iterator[Violation]:
    """No acknowledged change is missing, and there is none that nobody asked for."""
    asked: defaultdict[tuple[str, str, str | None], list[Claim]] = defaultdict(list)
    for claim in claims:
        asked[claim.job_id, claim.deed, claim.scene_id].append(claim)
    done: defaultdict[tuple[str, str, str | None], list[int]] = defaultdict(list)
    for job_id, events in remains.events.items():
        for event in events:
            if event["actor_id"] is not None:
                what = deed(event["type"], event["changed"], of_scene=event["scene_id"] is not None)
                done[job_id, what, event["scene_id"]].append(event["version"])
    for key in asked.keys() | done.keys():
        sure = [claim for claim in asked[key] if claim.sure]
        for claim in _unmatched(sure, done[key], Claim.fits):
            yield Violation(Kind.LOST, f"{claim} is not among {done[key]}")
        if key[1] not in CONSEQUENCES:
            for version in _unmatched(done[key], asked[key], lambda version, claim: claim.fits(version)):
                yield Violation(Kind.UNASKED, f"{key} at {version} is none of {asked[key]}")
    yield from _of_values(remains, claims)


def of_screens(remains: Remains, screens: Iterable[tuple[str, Screen]]) -> Iterator[Violation]:
    """What every follower shows is what is in the database, and progress fell only when it may."""
    for job_id, screen in screens:
        shown, is_so = screen.rows(), remains.shown(job_id)
        if shown != is_so:
            yield screen.objection(Kind.DIFFERENT, f"shows {shown} and not {is_so}")
        may_fall = [event["version"] for event in remains.events[job_id] if event["type"] in FALLS]
        for before, after in screen.falls:
            if not any(before.version < version <= after.version for version in may_fall):
                yield screen.objection(Kind.BACKWARDS, f"progress fell from {before} to {after}")


def _of_lives(events: list[Json]) -> Iterator[Violation]:
    """A take ends once, and what ended goes on only by a regenerate: late results change nothing."""
    last: dict[str | None, str] = {}
    for event in events:
        scene_id, kind = event["scene_id"], event["type"]
        before = last.get(scene_id, "")
        if scene_id is None:
            continue
        if before == "SCENE_DELETED" or (before in ENDS and kind not in AFTER_THE_END):
            yield Violation(Kind.LOG, f"{scene_id} has {kind} at {event['version']}, after {before}")
        if before not in ENDS or kind in ("SCENE_REGENERATED", "SCENE_DELETED"):
            last[scene_id] = kind


def _of_counters(job: Json, scenes: list[Json]) -> Iterator[Violation]:
    statuses = Counter(scene["status"] for scene in scenes)
    counted = {name: job[name.lower()] for name in STATUSES} | {"retrying": job["retrying"]}
    retrying = sum(scene["status"] == "PENDING" and scene["next_attempt_at"] is not None for scene in scenes)
    are = {name: statuses[name] for name in STATUSES} | {"retrying": retrying}
    if counted != are:
        yield Violation(Kind.COUNTERS, f"{job['id']} counts {counted}, and there are {are}")
    status = _status(job, statuses)
    if job["status"] != status:
        yield Violation(Kind.COUNTERS, f"{job['id']} is {job['status']} with {are}, not {status}")
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


def _of_takes(job_id: str, remains: Remains) -> Iterator[Violation]:
    """Takes are numbered 1..n, the scene shows the last, and each completion is in the log once."""
    takes: defaultdict[str, list[Json]] = defaultdict(list)
    for take in remains.takes.get(job_id, []):
        takes[take["scene_id"]].append(take)
    logged = Counter(event["scene_id"] for event in remains.events[job_id] if event["type"] == "SCENE_COMPLETED")
    for scene in remains.scenes.get(job_id, []):
        its = takes[scene["id"]]
        numbers = [take["number"] for take in its]
        if numbers != list(range(1, len(its) + 1)) or its[-1]["id"] != scene["take_id"]:
            yield Violation(Kind.LOG, f"{scene['id']} has the takes {numbers} and shows {scene['take_number']}")
        completed = sum(take["status"] == "COMPLETED" for take in its)
        if completed != logged[scene["id"]]:
            yield Violation(Kind.LOG, f"{scene['id']} completed {completed} takes, logged are {logged[scene['id']]}")


def _of_values(remains: Remains, claims: Sequence[Claim]) -> Iterator[Violation]:
    """What was written last is there; what may be done once only was done once."""
    by_value = {claim.value: claim for claim in claims if claim.value}
    for job_id, scenes in remains.scenes.items():
        edits = _last_edits(remains.events[job_id])
        for scene_id, title in [
            (None, remains.jobs[job_id]["title"]),
            *((each["id"], each["title"]) for each in scenes),
        ]:
            last, claim = edits.get(scene_id), by_value.get(title or "")
            if last is not None and (claim is None or claim.scene_id != scene_id or not claim.fits(last)):
                yield Violation(Kind.LOST, f"{scene_id or job_id} was titled last at {last}, and {title} is {claim}")
    prompts = Counter(scene["prompt"] for scenes in remains.scenes.values() for scene in scenes)
    retakes = Counter(
        take["prompt"] for takes in remains.takes.values() for take in takes if take["reason"] == "REGENERATE"
    )
    for claim in claims:
        if claim.deed == "SCENE_REGENERATED" and claim.sure and retakes[claim.value] != 1:
            yield Violation(Kind.LOST, f"{claim} made {retakes[claim.value]} takes")
        if claim.deed == "SCENE_ADDED" and prompts[claim.value] > 1:
            yield Violation(Kind.UNASKED, f"{claim} made {prompts[claim.value]} scenes")


def _last_edits(events: list[Json]) -> dict[str | None, int]:
    """The version at which the job and each scene were given a title last, once made."""
    return {
        event["scene_id"]: event["version"]
        for event in events
        if "title" in event["changed"] and event["type"] != "JOB_CREATED"
    }


def _unmatched(these: Sequence[A], those: Sequence[B], fits: Callable[[A, B], bool]) -> list[A]:
    """Those of `these` that are left when as many as possible have one of `those` for themselves: Kuhn's algorithm."""
    holder: dict[int, int] = {}

    def find(one: int, tried: set[int]) -> bool:
        for other, candidate in enumerate(those):
            if other not in tried and fits(these[one], candidate):
                tried.add(other)
                if other not in holder or find(holder[other], tried):
                    holder[other] = one
                    return True
        return False

    return [each for index, each in enumerate(these) if not find(index, set())]
