"""The rows of a server, read without any of its code."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class DbDump:
    """Jobs by id; scenes, takes and events by the id of their job."""

    def __init__(self, jobs: list[Json], scenes: list[Json], takes: list[Json], events: list[Json]) -> None:
        self.jobs = {row["id"]: row for row in jobs}
        self.scenes = _by_job(scenes)
        self.takes = _by_job(takes)
        self.events = _by_job(events)

    @classmethod
    def read(cls, database: Path) -> "DbDump":
        """Read the file; the server may be running."""
        with closing(sqlite3.connect(database)) as connection:
            connection.row_factory = sqlite3.Row
            events = _rows(connection, "SELECT * FROM event ORDER BY version")
            return cls(
                _rows(connection, "SELECT * FROM job"),
                _rows(connection, "SELECT * FROM scene ORDER BY position"),
                _rows(connection, "SELECT * FROM take ORDER BY scene_id, number"),
                [event | {"changed": json.loads(event["changed"])} for event in events],
            )

    def live_scenes(self, job_id: str) -> list[Json]:
        """Return the scenes that are not deleted, in play order."""
        return [scene for scene in self.scenes.get(job_id, []) if scene["deleted_at"] is None]

    def expected_view(self, job_id: str) -> tuple[Json, list[Json]]:
        """Return what a client must show: the job, and its scenes in play order."""
        job = {name: self.jobs[job_id][name] for name in ("id", "title", "status", "version")}
        provider_ids = {take["id"]: take["provider_id"] for take in self.takes.get(job_id, [])}
        scenes = [
            {name: scene[name] for name in ("id", "title", "prompt", "status", "attempts")}
            | {"providerId": provider_ids[scene["take_id"]]}
            for scene in self.live_scenes(job_id)
        ]
        return job, scenes


def _rows(connection: sqlite3.Connection, query: str) -> list[Json]:
    return [dict(row) for row in connection.execute(query)]


def _by_job(rows: list[Json]) -> dict[str, list[Json]]:
    grouped: dict[str, list[Json]] = {}
    for row in rows:
        grouped.setdefault(row["job_id"], []).append(row)
    return grouped
