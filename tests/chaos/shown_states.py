"""What a client has shown of a job, compared with the record of what the job was."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tests.chaos.recording import Recorded
from tests.support.violations import Kind, Violation

Json = dict[str, Any]

STATUSES = ("pending", "processing", "completed", "failed", "canceled")
# A job that is not completed shows at most this percentage.
ALMOST = 99.99
# SQLite writes a number as JSON with 15 digits.
DECIMALS = 9


class Shown(NamedTuple):
    """What a client showed of a job, at an instant in seconds since 1970. `progress` and `scenes` are as in the API.

    `message` is what the state followed from, if the client says it: kind, what it is about, version.
    """

    at: float
    version: int
    title: str
    status: str
    progress: Json
    scenes: list[Json]
    message: str = ""


def check(client: str, shown: Sequence[Shown], recorded: Sequence[Recorded]) -> Iterator[Violation]:
    """Yield a violation for each shown state that the job never had, and for each that is older than the one before."""
    by_version: dict[int, list[Recorded]] = {}
    for state in recorded:
        by_version.setdefault(state.version, []).append(state)
    for state in shown:
        for reason in _differences(state, by_version.get(state.version, [])):
            yield Violation(Kind.NEVER_WAS, f"{client} showed version {state.version} with {reason}{_after(state)}")
    for version, position in _gaps(shown):
        yield Violation(Kind.GAP, f"{client} received event {version} after {position}")
    for before, after in pairwise(shown):
        for reason in _steps_back(before, after):
            yield Violation(Kind.BACKWARDS, f"{client} showed {reason}{_after(after)}")


def check_last(client: str, shown: Sequence[Shown], recorded: Sequence[Recorded]) -> Iterator[Violation]:
    """Yield a violation unless the last state that was shown is the last one of the job."""
    if not shown:
        yield Violation(Kind.VIEW_DIFFERS, f"{client} showed nothing")
    elif reasons := list(_differences(shown[-1], recorded[-1:])):
        yield Violation(Kind.VIEW_DIFFERS, f"{client} showed version {shown[-1].version} at the end with {reasons[0]}")


def percentage_of(state: Recorded) -> float:
    """Return the percentage of a job, 0..100, from its rows: see docs/live.md."""
    rows, completed = state.scenes, _count(state, "COMPLETED")
    if not rows:
        return 0.0
    if completed == len(rows):
        return 100.0
    open_rows = (row["high_water"] for row in rows if row["status"] != "COMPLETED")
    return round(min(ALMOST, (100.0 * completed + sum(open_rows)) / len(rows)), 2)


def _differences(shown: Shown, recorded: Sequence[Recorded]) -> Iterator[str]:
    """Yield how a shown state differs from all that the job was at its version.

    Title, statuses and the order of scenes belong to the version. Percentages change within it, and messages about two
    scenes follow each other: each percentage was that of its scene, or of the job, at this version.
    """
    if not recorded or recorded[-1].version != shown.version:
        yield "a version that was never committed"
        return
    last = recorded[-1]
    if (shown.title, shown.status) != (last.title, last.status):
        yield f"{shown.title!r} {shown.status} and not {last.title!r} {last.status}"
    if (scenes := _fixed(shown.scenes)) != (expected := _fixed(last.scenes)):
        yield f"the scenes {scenes} and not {expected}"
        return
    if shown.progress["version"] != shown.version:
        yield f"the progress of version {shown.progress['version']}"
    counts = {name: _count(last, name.upper()) for name in STATUSES}
    if any(shown.progress[name] != number for name, number in counts.items()):
        yield f"the counters {shown.progress} and not {counts}"
    if shown.progress["percentage"] not in (known := {percentage_of(state) for state in recorded}):
        yield f"{shown.progress['percentage']} % and not one of {known}"
    for index, scene in enumerate(shown.scenes):
        known = {_rounded(state.scenes[index]["percentage"]) for state in recorded}
        if _rounded(scene["percentage"]) not in known:
            yield f"{scene['percentage']} % of {scene['id']} and not one of {known}"


def _steps_back(before: Shown, after: Shown) -> Iterator[str]:
    if after.version < before.version:
        yield f"version {after.version} after {before.version}"
    if after.version == before.version and len(after.scenes) == len(before.scenes):
        for old, new in zip(_percentages(before), _percentages(after), strict=True):
            if new < old:
                yield f"{new} % after {old} % at version {after.version}"


def _after(state: Shown) -> str:
    return f" after {state.message}" if state.message else ""


def _gaps(shown: Iterable[Shown]) -> Iterator[tuple[int, int | None]]:
    """Yield each event that does not follow the version before, and that version."""
    position: int | None = None
    for state in shown:
        kind, *_, version = state.message.split() or ("", "0")
        if kind == "JobEvent" and (position is None or int(version) != position + 1):
            yield int(version), position
        if kind in ("JobEvent", "JobSnapshot"):
            position = int(version)


def _fixed(scenes: Iterable[Json]) -> list[Json]:
    return [{name: scene[name] for name in ("id", "title", "prompt", "status")} for scene in scenes]


def _percentages(state: Shown) -> list[float]:
    """Return the percentages of the scenes, and that of the job."""
    return [*(scene["percentage"] or 0.0 for scene in state.scenes), state.progress["percentage"]]


def _rounded(percentage: float | None) -> float | None:
    return None if percentage is None else round(percentage, DECIMALS)


def _count(state: Recorded, status: str) -> int:
    return sum(row["status"] == status for row in state.scenes)
