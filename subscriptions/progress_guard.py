"""What a stream has shown of running renders, so that nothing older follows it."""

from collections.abc import Iterable
from typing import TypeVar

from models.db.rows import SceneRow
from models.domain.lifecycle import SETTLED_SCENE
from models.domain.progress import ProgressSnapshot
from subscriptions.feed import Running

N = TypeVar("N", int, float)


class ProgressGuard:
    """The rows that went into the messages of one stream, the newest of each.

    An event shows them as they are when it is sent, a fraction as they were when it was heard, and it may have waited.
    """

    def __init__(self) -> None:
        self._scenes: dict[str, SceneRow] = {}
        self._reading: ProgressSnapshot | None = None

    def note(self, rows: Iterable[object]) -> None:
        """These are about to be shown."""
        for row in rows:
            if isinstance(row, SceneRow):
                self._scenes[row.id] = row
            elif isinstance(row, ProgressSnapshot):
                self._reading = row

    def mend(self, running: Running) -> Running | None:
        """The fraction, nowhere behind what was shown; None when its take was shown to be over."""
        scene, shown = running.scene, self._scenes.get(running.scene.id)
        # An earlier take may be shown again: what is behind the newest of all is over.
        if shown is not None and shown.newest_take >= scene.take_number:
            if shown.take_number != scene.take_number or shown.status in SETTLED_SCENE or shown.deleted_at is not None:
                return None
            scene = scene._replace(
                percentage=_further(scene.percentage, shown.percentage), frame=_further(scene.frame, shown.frame)
            )
        return Running(scene, self._newest(running.snapshot))

    def _newest(self, snapshot: ProgressSnapshot) -> ProgressSnapshot:
        """Within a version, progress only rises."""
        shown = self._reading
        if shown is None or (snapshot.version, snapshot.percentage) >= (shown.version, shown.percentage):
            return snapshot
        return shown


def _further(heard: N | None, shown: N | None) -> N | None:
    return heard if shown is None or (heard is not None and heard >= shown) else shown
