"""What everybody in a run may look at: the jobs there are, what was acknowledged of them, and how much was done."""

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from time import monotonic
from typing import NamedTuple

# A change that nobody was told of for so long is late. The server promises a quarter of a second while it is not busy.
LATE_SECONDS = 2.0
# But it is here, and so is the machine: what counts is that others were told of changes that are so much younger.
OVERTAKEN_SECONDS = 1.0


class Topic(NamedTuple):
    """A job of the run. A hot one is changed many times a second, another every few seconds."""

    job_id: str
    provider: str
    hot: bool


class Acknowledged(NamedTuple):
    """The versions of a job that the server said it had reached, rising, and when it said so."""

    versions: list[int]
    times: list[float]


class Board:
    """Written and read by all."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.amounts: Counter[str] = Counter()
        self.topics: dict[str, Topic] = {}
        # Raised when the server is killed and when it is back: a connection that saw another number may be lost.
        self.outages = 0
        self.down = False
        self._acknowledged: dict[str, Acknowledged] = {}
        self._youngest_told = 0.0

    def chance(self, name: str) -> random.Random:
        """The chance of one actor; the same for the same seed."""
        return random.Random(f"{self.seed} {name}")

    def add(self, topic: Topic) -> None:
        """From now on the job takes part."""
        self.topics[topic.job_id] = topic
        self._acknowledged[topic.job_id] = Acknowledged([0], [monotonic()])

    def newest(self, job_id: str) -> int:
        """The highest version that was acknowledged."""
        return self._acknowledged[job_id].versions[-1]

    def acknowledge(self, job_id: str, version: int) -> None:
        """The server said that the job has reached this version."""
        if version > self.newest(job_id):
            known = self._acknowledged[job_id]
            known.versions.append(version)
            known.times.append(monotonic())

    def tell(self, job_id: str, version: int) -> None:
        """A stream told of this version, which was made after the one before it was acknowledged."""
        known = self._acknowledged[job_id]
        made_after = known.times[max(0, bisect_left(known.versions, version) - 1)]
        self._youngest_told = max(self._youngest_told, made_after)

    def is_late(self, job_id: str, version: int, listens_since: float) -> bool:
        """Whether what follows this version should have been told long ago, and others were told of what is younger."""
        known = self._acknowledged[job_id]
        index = bisect_right(known.versions, version)
        if index == len(known.versions):
            return False
        expected = max(known.times[index], listens_since)
        return monotonic() - expected > LATE_SECONDS and self._youngest_told - expected > OVERTAKEN_SECONDS
