"""The size of a clip in pixels, and its length in frames."""

from fractions import Fraction

from providers.catalogue import Resolution
from providers.comfyui.workflows.header import Frames


def size(
    base: tuple[int, int], aspect_ratio: str | None, resolution: Resolution | None, multiple_of: int
) -> tuple[int, int]:
    """Return width and height, both multiples of a number; what is None stays as in the base."""
    short = int(resolution.removeprefix("P")) if resolution is not None else min(base)
    width, height = map(int, aspect_ratio.split(":")) if aspect_ratio is not None else base
    scale = Fraction(short, min(width, height))
    return _rounded(width * scale, multiple_of), _rounded(height * scale, multiple_of)


def frames(seconds: float, fps: float, counts: Frames) -> int:
    """Return the possible number of frames that is next to a duration; at least the second smallest."""
    steps = max(1, round((seconds * fps - counts.plus) / counts.multiple_of))
    return steps * counts.multiple_of + counts.plus


def _rounded(pixels: Fraction, multiple_of: int) -> int:
    return max(1, round(pixels / multiple_of)) * multiple_of
