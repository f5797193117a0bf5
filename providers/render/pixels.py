"""Pillow's operations whose published types are incomplete where numpy is not installed."""

from collections.abc import Callable
from typing import Protocol, cast

from PIL import Image


def resized(
    image: Image.Image,
    size: tuple[int, int],
    resample: Image.Resampling = Image.Resampling.BICUBIC,
    *,
    reducing_gap: float | None = None,
) -> Image.Image:
    """Scale an image to a size in pixels, at least one each way."""
    width, height = size
    return cast("_Image", image).resize((max(1, width), max(1, height)), resample=resample, reducing_gap=reducing_gap)


def boxed(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float], resample: Image.Resampling
) -> Image.Image:
    """Scale a box of an image (left, top, right, bottom; fractions of pixels count) to a size in pixels."""
    return cast("_Image", image).resize(size, resample=resample, box=box, reducing_gap=3.0)


def mapped(mask: Image.Image, curve: Callable[[int], float]) -> Image.Image:
    """Put each value (0..255) of a mask through a curve."""
    return cast("_Image", mask).point([round(curve(value)) for value in range(256)])


class _Image(Protocol):
    def resize(
        self,
        size: tuple[int, int],
        resample: int | None = None,
        box: tuple[float, float, float, float] | None = None,
        reducing_gap: float | None = None,
    ) -> Image.Image: ...
    def point(self, lut: list[int], /) -> Image.Image: ...
