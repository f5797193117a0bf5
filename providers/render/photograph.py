"""Pictures that a clip is made from: read within limits, and shown so that they fill the frame."""

import struct
from pathlib import Path

from PIL import Image, ImageOps

from providers.clips.limits import LARGEST_PIXELS
from providers.port import Failure
from providers.render.pixels import boxed

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
# How much larger a picture is shown at one end of the clip than at the other.
ZOOM = 0.08
# What Pillow raises for files that are damaged in one way or another, besides OSError.
DAMAGED = (ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error, Image.DecompressionBombError)


def read(path: Path, name: str) -> Image.Image:
    """Read a picture as it is displayed: upright, in RGB, on black where it is transparent.

    `name` says which input it is. Raises Failure (INVALID_INPUT) for a file that is damaged, too large or no picture.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise _invalid(f"{name} has {image.width}x{image.height} pixels, more than {LARGEST_PIXELS}")
            upright = ImageOps.exif_transpose(image)
            if not upright.has_transparency_data:
                return upright.convert("RGB")
            ground = Image.new("RGBA", upright.size, "black")
            ground.alpha_composite(upright.convert("RGBA"))
            return ground.convert("RGB")
    except MemoryError as error:
        raise _invalid(f"{name} needs more memory than a picture may take") from error
    except OSError as error:
        # Errors of the system, such as a missing file, have a number; those of Pillow with the file do not.
        if error.errno is not None:
            raise
        raise _unreadable(name) from error
    except DAMAGED as error:
        raise _unreadable(name) from error


class Photograph:
    """A picture that fills frames of one size, cut at its longer sides."""

    def __init__(self, image: Image.Image, size: tuple[int, int]) -> None:
        self._image = boxed(image, size, _middle(image.size, size), Image.Resampling.LANCZOS)

    def at(self, closeness: float) -> Image.Image:
        """Return a frame: the whole picture at 0, its enlarged middle at 1."""
        if closeness <= 0:
            return self._image.copy()
        width, height = self._image.size
        share = (1 - 1 / (1 + ZOOM * closeness)) / 2
        box = (share * width, share * height, (1 - share) * width, (1 - share) * height)
        return boxed(self._image, self._image.size, box, Image.Resampling.BILINEAR)


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the largest box in the middle of a picture that has the aspect ratio of a frame."""
    scale = min(size[0] / target[0], size[1] / target[1])
    left, top = (size[0] - scale * target[0]) / 2, (size[1] - scale * target[1]) / 2
    return max(0.0, left), max(0.0, top), min(size[0], size[0] - left), min(size[1], size[1] - top)


def _unreadable(name: str) -> Failure:
    return _invalid(f"{name} cannot be read as a picture")


def _invalid(reason: str) -> Failure:
    return Failure("INVALID_INPUT", f"The file of {reason}.", retryable=False)
