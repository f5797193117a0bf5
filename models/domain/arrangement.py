"""The play order of a job's scenes. Pure.

The positions of live scenes are dense: 0, 1, 2, … A deleted scene keeps its position in the order of live and deleted
scenes together, so that scenes deleted and restored in any sequence return to their places.
"""

from collections.abc import Iterable, Sequence


class Arrangement:
    """The live scenes in play order, and the positions of the deleted ones; `moved` returns what must be written."""

    def __init__(self, scenes: Iterable[tuple[str, int, bool]]) -> None:
        """Take each scene as its id, its stored position, and whether it is deleted; in ascending order."""
        stored = list(scenes)
        self.live = [scene_id for scene_id, _, deleted in stored if not deleted]
        self._deleted = {scene_id: position for scene_id, position, deleted in stored if deleted}
        self._written = {scene_id: position for scene_id, position, _ in stored}

    def copy(self) -> "Arrangement":
        """Return an independent copy."""
        copied = Arrangement(())
        copied.live, copied._deleted, copied._written = list(self.live), dict(self._deleted), dict(self._written)
        return copied

    def add(self, scene_id: str, place: int) -> None:
        """Insert a new scene, whose row is written with this position."""
        if place < len(self.live):
            among = self._position_among_deleted(place)
            self._deleted = {each: at + (at >= among) for each, at in self._deleted.items()}
        self.live.insert(place, scene_id)
        self._written[scene_id] = place

    def reorder(self, live: Sequence[str]) -> None:
        """Replace the order of all live scenes; deleted ones keep their positions."""
        self.live = list(live)

    def delete(self, scene_id: str) -> None:
        """Remove a live scene; those after it close the gap."""
        place = self.live.index(scene_id)
        self._deleted[scene_id] = self._position_among_deleted(place)
        del self.live[place]

    def restore(self, scene_id: str) -> None:
        """Insert a deleted scene at its former place, or the nearest one left; those after it move up."""
        at = self._deleted.pop(scene_id)
        self.live.insert(max(0, at - sum(each < at for each in self._deleted.values())), scene_id)

    def moved(self) -> dict[str, int]:
        """Return the new positions that differ from the written ones, which then count as written."""
        now = {scene_id: place for place, scene_id in enumerate(self.live)} | self._deleted
        moved = {scene_id: place for scene_id, place in now.items() if self._written[scene_id] != place}
        self._written = now
        return moved

    def _position_among_deleted(self, place: int) -> int:
        """Return the position of a live scene in the order of live and deleted scenes together."""
        for taken in sorted(self._deleted.values()):
            if taken > place:
                break
            place += 1
        return place
