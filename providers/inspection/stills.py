"""Looks at a picture: whether it can be used, what it is, and its poster."""

import struct
import warnings
import zlib
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from providers.clips.description import check_size
from providers.clips.problems import TRUNCATED, UNREADABLE, BadClip
from providers.inspection.images import POSTER_SIDE
from providers.inspection.wire import Found
from providers.port import Asset
from providers.render import stills

# Pillow tries no other decoder, whatever the file says that it is.
CONTENT_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
# A JPEG picture with further ones behind it, as cameras store previews and depth; it is no animation.
MULTI_PICTURE = "MPO"
# Errors of Pillow with a file that is damaged, or claims absurd things.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError)


def look(path: Path, folder: Path) -> Found:
    """Look at a still picture, decode all of it, and write its poster. The size is that of the upright picture.

    Raises BadClip when it is no PNG, JPEG or WebP picture, is animated, damaged, or larger than 8K.
    """
    # The size is checked by us, before any pixel is decoded.
    Image.MAX_IMAGE_PIXELS = None
    # Opened here, so that errors of our own files are none of Pillow's.
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file, formats=list(CONTENT_TYPES))
        except UnidentifiedImageError as error:
            raise BadClip(UNREADABLE, "is not a PNG, JPEG or WebP picture") from error
        except _DAMAGED as error:
            raise BadClip(UNREADABLE, "cannot be read") from error
        check_size(*image.size)
        if image.format != MULTI_PICTURE and getattr(image, "is_animated", False):
            raise BadClip(UNREADABLE, "is an animation, not a picture")
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            size = upright.size
            still = _small(upright)
        except _DAMAGED as error:
            raise BadClip(TRUNCATED, "is damaged or cut off") from error
    poster = stills.poster(still).write(folder / "poster.webp")
    return Found(Asset(path, CONTENT_TYPES.get(str(image.format), "image/jpeg"), *size), poster)


def _small(image: Image.Image) -> Image.Image:
    """Return the picture as RGB, on white where it is transparent, with the sides of a poster."""
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((POSTER_SIDE, POSTER_SIDE))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
