"""The progress of a prediction, parsed from the logs of its model."""

import re

# Only the newest lines are parsed; tqdm writes a few hundred bytes for each step.
TAIL_CHARACTERS = 8192
# After the end of a progress bar the result is still to be written and uploaded.
MOST = 0.99
# tqdm writes "45%|████▌     | 9/20"; others "Progress: 45.5%".
_PERCENT = re.compile(r"(?<![\d.])(\d{1,3})%\||progress\W{1,3}(\d{1,3}(?:\.\d+)?)\s?%", re.ASCII | re.IGNORECASE)


def fraction(logs: str) -> float | None:
    """Return the newest percentage in the logs as 0..0.99, None when there is none."""
    percents = [float(bar or plain) for bar, plain in _PERCENT.findall(logs[-TAIL_CHARACTERS:])]
    within = [percent for percent in percents if percent <= 100]
    return min(MOST, within[-1] / 100) if within else None
