"""The play order of a job's scenes. Pure.

Live scenes are dense: 0, 1, 2, … A deleted scene keeps its place in the order of live and deleted ones together, so
that whatever is deleted and restored in whatever order is back where it was.
"""

from collections.abc import Iterable, Sequence


class Arrangement:
    """The live scenes in order, and where the deleted ones are among them; `moved` is what has yet to be written."""

    def __init__(self, scenes: Iterable[tuple[str, int, bool]]) -> None:
        """Each scene is its id, its position as stored, and whether it is deleted; in ascending order."""
        stored = list(scenes)
        self.live = [scene_id for scene_id, _, deleted in stored if not deleted]
        self._deleted = {scene_id: position for scene_id, position, deleted in stored if deleted}
        self._written = {scene_id: position for scene_id, position, _ in stored}

    def copy(self) -> "Arrangement":
        """Another that changes by itself."""
        copied = Arrangement(())
        copied.live, copied._deleted, copied._written = list(self.live), dict(self._deleted), dict(self._written)
        return copied

    def add(self, scene_id: str, place: int) -> None:
        """A new scene, which is written at this place."""
        if place < len(self.live):
            among = self._among_deleted(place)
            self._deleted = {each: at + (at >= among) for each, at in self._deleted.items()}
        self.live.insert(place, scene_id)
        self._written[scene_id] = place

    def reorder(self, live: Sequence[str]) -> None:
        """All live scenes in another order; the deleted ones stay where they are."""
        self.live = list(live)

    def delete(self, scene_id: str) -> None:
        """Take a live scene out; those after it close the gap."""
        place = self.live.index(scene_id)
        self._deleted[scene_id] = self._among_deleted(place)
        del self.live[place]

    def restore(self, scene_id: str) -> None:
        """Put a deleted scene back where it was, or as near as can be; those after it make room."""
        at = self._deleted.pop(scene_id)
        self.live.insert(max(0, at - sum(each < at for each in self._deleted.values())), scene_id)

    def moved(self) -> dict[str, int]:
        """The new positions of those that are not where they were, as written from now on."""
        now = {scene_id: place for place, scene_id in enumerate(self.live)} | self._deleted
        moved = {scene_id: place for scene_id, place in now.items() if self._written[scene_id] != place}
        self._written = now
        return moved

    def _among_deleted(self, place: int) -> int:
        """The place that a live scene has in the order of live and deleted ones together."""
        for taken in sorted(self._deleted.values()):
            if taken > place:
                break
            place += 1
        return place
