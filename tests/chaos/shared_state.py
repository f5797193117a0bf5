"""The state that all parts of a run share: the jobs, their acknowledged versions, outages, and how much happened."""

import random
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

# A missing message is late when it is due for this long (the server promises a quarter of a second while not busy) ...
LATE_SECONDS = 2.0
# ... and other streams delivered this many changes that were made after it: a slow machine delays those as well.
OVERTAKEN_BY = 10


class Topic(NamedTuple):
    """A job of the run. A hot one changes many times a second, another every few seconds."""

    job_id: str
    provider: str
    hot: bool


class Acknowledged(NamedTuple):
    """The versions of a job that the server acknowledged, rising, and when."""

    versions: list[int]
    times: list[float]


class SharedState:
    """Written and read by writers, subscribers and outages.

    `clips` is the address of the host of clips. `outages` rises when the server is killed and when it is up again: a
    connection across a rise may be lost.
    """

    def __init__(self, seed: int, clock: Callable[[], float] = monotonic) -> None:
        self.seed = seed
        self.amounts: Counter[str] = Counter()
        self.topics: dict[str, Topic] = {}
        self.clips = ""
        self.outages = 0
        self.down = False
        self._clock = clock
        self._acknowledged: dict[str, Acknowledged] = {}
        # For each delivered event a time that lies before its change was made, sorted.
        self._delivered: list[float] = []

    def random_source(self, name: str) -> random.Random:
        """Return the random numbers of one actor; the same for the same seed."""
        return random.Random(f"{self.seed} {name}")

    def add(self, topic: Topic) -> None:
        """Add a job to the run."""
        self.topics[topic.job_id] = topic
        self._acknowledged[topic.job_id] = Acknowledged([0], [self._clock()])

    def newest(self, job_id: str) -> int:
        """Return the highest acknowledged version."""
        return self._acknowledged[job_id].versions[-1]

    def acknowledge(self, job_id: str, version: int) -> None:
        """Record that the server acknowledged this version."""
        if version > self.newest(job_id):
            known = self._acknowledged[job_id]
            known.versions.append(version)
            known.times.append(self._clock())

    def delivered(self, job_id: str, version: int) -> None:
        """Record that a stream delivered this version, which was made after the one before it was acknowledged."""
        known = self._acknowledged[job_id]
        insort(self._delivered, known.times[max(0, bisect_left(known.versions, version) - 1)])

    def is_late(self, job_id: str, version: int, subscribed_at: float) -> bool:
        """Whether a subscriber at this version misses a change that other subscribers would have received by now."""
        known = self._acknowledged[job_id]
        index = bisect_right(known.versions, version)
        if index == len(known.versions):
            return False
        due = max(known.times[index], subscribed_at)
        overtaken_by = len(self._delivered) - bisect_right(self._delivered, due)
        return self._clock() - due > LATE_SECONDS and overtaken_by >= OVERTAKEN_BY
