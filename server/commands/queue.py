"""The command `queue`: which takes wait, for how long, and for what."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from coordinator.renders.tickets import EARLY, pause_left
from models.db import clock
from models.db.database import Database
from models.db.rows import SceneRow
from models.domain import rfc3339
from models.domain.access import EXTERNAL, LEASED
from models.reads import places, waiting_for, waiting_takes
from models.reads.queries import Unjoined, awaiting_assembly
from models.reads.waiting_takes import Line
from server.commands import reading, table
from server.commands.cells import since, span
from server.settings import Settings

LINES = (
    table.Column("PROVIDER"),
    table.Column("WAITING", right=True),
    table.Column("PAUSED", right=True),
    table.Column("RUNNING", right=True),
    table.Column("PLACES", right=True),
    table.Column("LONGEST"),
)
TAKES = (
    table.Column("SCENE"),
    table.Column("PROVIDER", dispensable=2),
    table.Column("OWNER", least=table.SHORTEST, dispensable=1),
    table.Column("TAKE", right=True, dispensable=4),
    table.Column("WAITS", right=True),
    table.Column("AHEAD", right=True, dispensable=3),
    table.Column("FOR", least=30),
)


# Jobs whose clips wait to be joined that a terminal is shown; JSON has all.
MOST_UNJOINED = 10


class Waiting(NamedTuple):
    """A take that waits: since when it has been due, how many are claimed before it, and for what it waits."""

    scene: SceneRow
    due: datetime
    ahead: int | None
    reason: str


class Queue(NamedTuple):
    """The queue at one moment; `places` is how many takes of a provider may be rendered at once, absent for any."""

    now: datetime
    lines: Sequence[Line]
    places: Mapping[str, int]
    waiting: Sequence[Waiting]
    unjoined: Sequence[Unjoined]


async def show(settings: Settings, *, provider: str | None, limit: int, as_json: bool) -> int:
    """Print the queue, of one provider if one is given; return the exit status. Raises WrongSettings."""

    async def print_queue(database: Database) -> None:
        queue = await _read(settings, database, provider, limit)
        if as_json:
            _write_json(queue)
        else:
            _print(queue)

    return await reading.read(settings, print_queue)


async def _read(settings: Settings, database: Database, provider: str | None, limit: int) -> Queue:
    async with reading.moment(database) as connection:
        now = await clock.current(connection)
        lines = await waiting_takes.lines(connection, provider, now)
        scenes = await waiting_takes.waiting_takes(connection, provider, limit)
        ids = [scene.id for scene in scenes]
        ahead = await places.of_scenes(connection, ids)
        unfit = await waiting_for.waiting_for(connection, ids)
        unjoined = await awaiting_assembly(connection) if provider is None else []
    at_once = _places(settings, database)
    of_provider = {line.provider: line for line in lines}
    waiting: list[Waiting] = []
    for scene in scenes:
        reasons = _Reasons(settings, of_provider[scene.provider], at_once.get(scene.provider), now)
        place = ahead.get(scene.id)
        due = scene.queued_at or scene.reported_at or scene.updated_at
        waiting.append(Waiting(scene, due, place, reasons.of(scene, place, unfit.get(scene.id))))
    return Queue(now, lines, at_once, waiting, unjoined)


def _places(settings: Settings, database: Database) -> dict[str, int]:
    """Return how many takes of each provider may be rendered at once, as far as these settings show.

    On Postgres each process has places of its own, and only the limits over all processes are known.
    """
    limits = {name: limit for name, limit in settings.provider_concurrency.items() if limit}
    if not database.embedded:
        return limits
    here = settings.render_concurrency
    ours = [name for name in settings.provider_names if name not in (EXTERNAL, LEASED)]
    return limits | {name: min(limits.get(name, here), here) for name in ours}


class _Reasons:
    """For what takes of one line wait."""

    def __init__(self, settings: Settings, line: Line, at_once: int | None, now: datetime) -> None:
        self._settings = settings
        self._line = line
        self._places = at_once
        self._now = now

    def of(self, scene: SceneRow, place: int | None, unfit: str | None) -> str:
        """Return for what a take waits; `unfit` is why no leased worker takes it."""
        pause = pause_left(scene, self._now)
        if pause > EARLY:
            code = scene.failure["code"] if scene.failure is not None else "a failure"
            attempt = f"attempt {scene.attempts + 1} of {scene.max_attempts}"
            return f"a pause of {span(pause / timedelta(seconds=1))} before {attempt}, after {code}"
        if scene.provider == EXTERNAL:
            return "a report of an external worker"
        if unfit is not None:
            return f"a leased worker: {unfit}"
        if scene.provider not in self._settings.provider_names:
            return f"a process with the provider {scene.provider}, which these settings do not have"
        return self._of_place(place or 0)

    def _of_place(self, place: int) -> str:
        line, at_once = self._line, self._places
        if at_once is not None and line.running >= at_once:
            return f"a place: {line.running} of {at_once} are taken" + (f", {place} before it" if place else "")
        if place:
            return f"its turn: {place} before it"
        if line.running == 0:
            renderer = "leased worker that asks" if line.provider == LEASED else "process that renders"
            return f"a {renderer}: none is rendering"
        return "the next free worker"


def _print(queue: Queue) -> None:
    output = table.console()
    table.show(output, LINES, [_line_row(line, queue) for line in queue.lines])
    if queue.waiting:
        table.line(output, "")
        table.show(output, TAKES, [_take_row(each, queue.now) for each in queue.waiting])
    for job in queue.unjoined[:MOST_UNJOINED]:
        waits = since(job.updated_at, queue.now)
        table.line(output, f"{job.job_id}  its clips wait to be joined, for {waits}")
    if len(queue.unjoined) > MOST_UNJOINED:
        table.line(output, f"… and {len(queue.unjoined) - MOST_UNJOINED} more jobs whose clips wait to be joined")
    if hidden := sum(line.waiting for line in queue.lines) - len(queue.waiting):
        table.line(output, f"… and {hidden} more takes; --limit shows more of them")


def _line_row(line: Line, queue: Queue) -> table.Row:
    return (
        line.provider,
        str(line.waiting),
        str(line.paused),
        str(line.running),
        str(queue.places.get(line.provider, "any")),
        "-" if line.oldest is None else since(line.oldest, queue.now),
    )


def _take_row(each: Waiting, now: datetime) -> table.Row:
    scene = each.scene
    ahead = "-" if each.ahead is None else str(each.ahead)
    return scene.id, scene.provider, scene.owner_id, str(scene.take_number), since(each.due, now), ahead, each.reason


def _write_json(queue: Queue) -> None:
    for line in queue.lines:
        waits = None if line.oldest is None else max(0.0, (queue.now - line.oldest).total_seconds())
        counts = {"waiting": line.waiting, "paused": line.paused, "running": line.running}
        places_at_once = queue.places.get(line.provider)
        table.write_json(
            {"kind": "provider", "provider": line.provider, **counts, "places": places_at_once, "longestSeconds": waits}
        )
    for each in queue.waiting:
        scene = each.scene
        table.write_json(
            {
                "kind": "take",
                "scene": scene.id,
                "job": scene.job_id,
                "owner": scene.owner_id,
                "provider": scene.provider,
                "take": scene.take_number,
                "attempts": scene.attempts,
                "dueAt": rfc3339.text(each.due),
                "waitsSeconds": max(0.0, (queue.now - each.due).total_seconds()),
                "retryAt": None if scene.next_attempt_at is None else rfc3339.text(scene.next_attempt_at),
                "ahead": each.ahead,
                "waitingFor": each.reason,
            }
        )
    for job in queue.unjoined:
        seconds = max(0.0, (queue.now - job.updated_at).total_seconds())
        table.write_json({"kind": "video", "job": job.job_id, "owner": job.owner_id, "waitsSeconds": seconds})
