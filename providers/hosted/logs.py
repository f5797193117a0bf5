"""The progress of a prediction, read from the logs of its model."""

import re

# Only the newest lines are parsed; tqdm writes a few hundred bytes for each step.
TAIL_CHARACTERS = 8192
# After the end of a progress bar the result is still to be written and uploaded.
MOST = 0.99
# tqdm writes "45%|████▌     | 9/20", behind a description if there is one; others "Progress: 45.5%".
_PERCENT = re.compile(
    r"(?P<about>[^\r\n|%]{0,80}?)(?<![\d.])(?P<bar>\d{1,3})%\||progress\W{1,3}(?P<plain>\d{1,3}(?:\.\d+)?)\s?%",
    re.ASCII | re.IGNORECASE,
)
# "Loading pipeline components...: 100%|██████████| 7/7" is no part of the clip.
_PREPARATION = re.compile(
    r"load|fetch|weight|checkpoint|shard|pipeline|warm|compil|set.?up|install|extract|unpack|import", re.IGNORECASE
)
_LINE_ENDS = re.compile(r"[\r\n]")


class Bars:
    """The progress bars in the growing log of a prediction. A bar that starts again is another phase of the work.

    How many phases follow is unknown: each has what the phases before have left, and a bar that has reached its end
    adds nothing, so that there is something left. Bars of preparations, such as loading weights, do not count.
    """

    def __init__(self) -> None:
        self._read_to = 0
        self._newest = 0.0
        self._base = 0.0
        self._fraction: float | None = None

    def update(self, logs: str) -> float | None:
        """Read what is new in the log; return the fraction in 0..0.99, which never falls, None when it is unknown."""
        start = self._read_to if self._read_to <= len(logs) else 0
        start = max(start, len(logs) - TAIL_CHARACTERS)
        for found in _PERCENT.finditer(logs, start):
            if not _PREPARATION.search(found["about"] or ""):
                self._add(float(found["bar"] or found["plain"]))
        # The last line may be incomplete: it is read again.
        self._read_to = start + max((end.end() for end in _LINE_ENDS.finditer(logs[start:])), default=0)
        return self._fraction

    def _add(self, percent: float) -> None:
        if percent > 100:
            return
        if percent < self._newest:
            self._base = self._fraction or 0.0
        self._newest = percent
        if percent < 100:
            fraction = self._base + (1 - self._base) * percent / 100
            self._fraction = max(self._fraction or 0.0, min(MOST, fraction))
