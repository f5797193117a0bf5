"""A watcher of a job that keeps its events."""

from coordinator.live.reader import JobUpdate
from models.db.rows import EventRow


class EventWatcher:
    """Keeps the events that it receives."""

    def __init__(self) -> None:
        self.events: list[EventRow] = []

    def on_update(self, update: JobUpdate) -> None:
        """Keep the events."""
        self.events += update.events
