"""The jobs of scenes that were used lately. A scene never changes its job, so nothing of it can be stale."""

from collections.abc import Iterable

# Of about 200 bytes each.
MOST = 20_000


class JobsOfScenes:
    """The newest MOST entries."""

    def __init__(self) -> None:
        self._jobs: dict[str, str] = {}

    def get(self, scene_id: str) -> str | None:
        """Return the job of a scene, if it is known. It may have been purged, and the viewer may not see it."""
        return self._jobs.get(scene_id)

    def add(self, job_id: str, scene_ids: Iterable[str]) -> None:
        """Note the job of scenes."""
        for scene_id in scene_ids:
            self._jobs.pop(scene_id, None)
            self._jobs[scene_id] = job_id
        while len(self._jobs) > MOST:
            del self._jobs[next(iter(self._jobs))]
