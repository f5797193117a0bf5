"""How far a prediction is, where its model's logs tell."""

import re

# The newest lines tell; tqdm writes a few hundred bytes for each step.
TAIL_CHARACTERS = 8192
# The end of a bar is not the end of the prediction: the result is written and uploaded after it.
MOST = 0.99
# tqdm writes "45%|████▌     | 9/20"; others "Progress: 45.5%".
_PERCENT = re.compile(r"(?<![\d.])(\d{1,3})%\||progress\W{1,3}(\d{1,3}(?:\.\d+)?)\s?%", re.ASCII | re.IGNORECASE)


def fraction(logs: str) -> float | None:
    """The newest percentage in the logs as 0..0.99; None when they hold none."""
    told = [float(bar or plain) for bar, plain in _PERCENT.findall(logs[-TAIL_CHARACTERS:])]
    within = [percent for percent in told if percent <= 100]
    return min(MOST, within[-1] / 100) if within else None
