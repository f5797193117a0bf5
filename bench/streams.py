"""Subscribers of one server, the changes that they receive, and what is read from both."""

import json
from collections.abc import Sequence
from statistics import median
from typing import Any, cast

from bench import data
from bench.answers import check_equal
from bench.measure import Load
from bench.server import Target

Json = dict[str, Any]
# One writer makes no further change after this time, so that slow servers are measured with fewer.
WRITING_SECONDS = 10.0
# Fields that differ between two changes of the same scene.
CHANGING = frozenset({"v", "version", "title", "occurredAt", "updatedAt"})


class Stream:
    """Subscribers in a process of their own, one for each of `jobs`."""

    def __init__(self, server: Target, query: str, jobs: Sequence[int], **variables: Any) -> None:
        self.count = len(jobs)
        subscriptions = [{"id": data.job_id(job), **variables} for job in jobs]
        self._load = Load(
            "bench.load.subscribers",
            {"port": server.port, "path": server.path, "query": query, "variables": subscriptions},
        )
        joined = self._load.answer()
        self.began = float(joined["began"])
        self.joined_seconds = float(joined["seconds"])

    def wait_for(self, version: int) -> Json:
        """Wait until a version has arrived everywhere; see `bench.load.subscribers`."""
        self._load.send({"version": version})
        return self._load.answer()

    def stop(self) -> None:
        """Close all sockets."""
        self._load.stop()


def write(
    server: Target, scenes: Sequence[str], changes: int, pause: float = 0.0, seconds: float = WRITING_SECONDS
) -> list[dict[str, float]]:
    """Change scenes in turn by one writer. Return the times of each change."""
    specification: Json = {"port": server.port, "path": server.path, "scenes": scenes, "changes": changes}
    writer = Load("bench.load.writer", {**specification, "pause": pause, "seconds": seconds})
    return writer.last_answer()


def delays(arrived: Json, changes: list[dict[str, float]], before: int, subscribers: int) -> list[float]:
    """Return the sorted milliseconds from each commit to the last of all subscribers. A version that did not reach all
    counts as arrived with the next one that did."""
    reached = {int(version): at for version, (count, at) in arrived["arrivals"].items() if count >= subscribers}
    found: list[float] = []
    for number, change in enumerate(changes, start=before + 1):
        later = [at for version, at in reached.items() if version >= number]
        # The last version is waited for at every subscriber.
        found.append(((min(later) if later else last_arrival(arrived)) - change["committed"]) * 1000)
    return sorted(found)


def last_arrival(arrived: Json) -> float:
    """Return the Unix time of the last message."""
    return max(at for _, at in arrived["arrivals"].values())


def answer_seconds(changes: list[dict[str, float]]) -> float:
    """Return the median time of the answers to changes."""
    return median(change["answered"] - change["sent"] for change in changes)


def check_messages(first: str, second: str, name: str) -> None:
    """Raise AnswersDiffer unless two messages of the same change say the same."""
    check_equal(_steady(json.loads(first)["payload"]), _steady(json.loads(second)["payload"]), name)


def _steady(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    fields = cast("Json", value)
    return {name: type(each).__name__ if name in CHANGING else _steady(each) for name, each in fields.items()}
