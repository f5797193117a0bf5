"""What is left in the database when the server is dead, read without any of its code."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Remains:
    """All rows, by job."""

    def __init__(self, database: Path) -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.row_factory = sqlite3.Row
            self.jobs = {row["id"]: row for row in _rows(connection, "SELECT * FROM job")}
            self.scenes = _by_job(_rows(connection, "SELECT * FROM scene ORDER BY position"))
            self.takes = _by_job(_rows(connection, "SELECT * FROM take ORDER BY scene_id, number"))
            self.events = _by_job(_rows(connection, "SELECT * FROM event ORDER BY version"))
        for events in self.events.values():
            for event in events:
                event["changed"] = json.loads(event["changed"])

    def live(self, job_id: str) -> list[Json]:
        """The scenes that are not deleted, in play order."""
        return [scene for scene in self.scenes.get(job_id, []) if scene["deleted_at"] is None]

    def shown(self, job_id: str) -> tuple[Json, list[Json]]:
        """What a screen must show."""
        job = {name: self.jobs[job_id][name] for name in ("id", "title", "status", "version")}
        provider_ids = {take["id"]: take["provider_id"] for take in self.takes.get(job_id, [])}
        scenes = [
            {name: scene[name] for name in ("id", "title", "prompt", "status", "attempts")}
            | {"providerId": provider_ids[scene["take_id"]]}
            for scene in self.live(job_id)
        ]
        return job, scenes


def _rows(connection: sqlite3.Connection, query: str) -> list[Json]:
    return [dict(row) for row in connection.execute(query)]


def _by_job(rows: list[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for row in rows:
        found.setdefault(row["job_id"], []).append(row)
    return found
