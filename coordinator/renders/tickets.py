"""Tickets of scenes: when their takes may be claimed."""

from datetime import datetime, timedelta

from models.db.rows import SceneRow
from models.domain.instants import ahead
from models.writes.change import Ticket

# A ticket may be handed out this much before its time: the clocks of queue and database differ.
EARLY = timedelta(milliseconds=50)


def ticket_of(scene: SceneRow, instant: datetime) -> Ticket:
    """Return a new ticket of an open scene."""
    delay_seconds = pause_left(scene, instant).total_seconds()
    return Ticket(scene.provider, scene.job_id, scene.id, scene.take_number, scene.priority, delay_seconds)


def pause_left(scene: SceneRow, instant: datetime) -> timedelta:
    """Return how long the retry of a pending scene still has to wait; never longer than its pause was."""
    if scene.next_attempt_at is None or scene.failure is None:
        return timedelta()
    pause = scene.next_attempt_at - datetime.fromisoformat(scene.failure["occurred_at"])
    return ahead(scene.next_attempt_at, instant, pause)
