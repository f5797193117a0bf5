"""Keeps the progress of running scenes in a stream monotonic."""

from collections.abc import Iterable
from typing import TypeVar

from models.db.rows import SceneRow
from models.domain.lifecycle import SETTLED_SCENE
from models.domain.progress import ProgressSnapshot
from subscriptions.feed import Running

N = TypeVar("N", int, float)


class ProgressGuard:
    """Remembers the newest rows shown in the messages of one stream.

    An event shows its scene as of sending, a progress message as of receiving; it may have waited in the feed, and must
    not follow newer state.
    """

    def __init__(self) -> None:
        self._scenes: dict[str, SceneRow] = {}
        self._snapshot: ProgressSnapshot | None = None

    def observe(self, rows: Iterable[object]) -> None:
        """Remember rows that are about to be shown."""
        for row in rows:
            if isinstance(row, SceneRow):
                self._scenes[row.id] = row
            elif isinstance(row, ProgressSnapshot):
                self._snapshot = row

    def merge(self, other: "ProgressGuard") -> None:
        """Remember the rows shown in another stream too, of each the newer one."""
        for scene in other._scenes.values():
            shown = self._scenes.get(scene.id)
            if shown is None or _progress(scene) >= _progress(shown):
                self._scenes[scene.id] = scene
        if other._snapshot is not None:
            self._snapshot = self._newest(other._snapshot)

    def clamp(self, running: Running) -> Running | None:
        """Return the scene, never older than shown, and remember the job's progress; None when the take is over."""
        scene, shown = running.scene, self._scenes.get(running.scene.id)
        # A take is over once a later one exists, even if an earlier one was selected again.
        if shown is not None and shown.newest_take >= scene.take_number:
            if shown.take_number != scene.take_number or shown.status in SETTLED_SCENE or shown.deleted_at is not None:
                return None
            percentage, frame = _further(scene.percentage, shown.percentage), _further(scene.frame, shown.frame)
            newest = shown if shown.version > scene.version else scene
            scene = newest._replace(percentage=percentage, frame=frame)
        # The feed replaces a scene's pending progress in place, so an older snapshot of another scene may follow it.
        self._snapshot = self._newest(running.snapshot)
        return Running(scene, self._snapshot)

    def _newest(self, snapshot: ProgressSnapshot) -> ProgressSnapshot:
        """Return the newer of the given and the shown snapshot; within a version, progress only rises."""
        shown = self._snapshot
        if shown is None or (snapshot.version, snapshot.percentage) >= (shown.version, shown.percentage):
            return snapshot
        return shown


def _progress(scene: SceneRow) -> tuple[int, int, float]:
    return scene.version, scene.newest_take, scene.percentage or 0.0


def _further(received: N | None, shown: N | None) -> N | None:
    return received if shown is None or (received is not None and received >= shown) else shown
