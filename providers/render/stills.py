"""WebP images of a clip: the poster, the animated preview, and the live frame of a render."""

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from providers.port import MOST_PICTURE_BYTES, Asset
from providers.render.pixels import resized

CONTENT_TYPE = "image/webp"
THUMBNAIL_SIDE = 320
PREVIEW_FRAMES = 20
PREVIEW_SECONDS_PER_FRAME = 0.1
SMALLEST_SIDE = 16
# Scale and quality, the best first. Measured on the pictures of `local` at 1280x720: posters have 15 to 18 kB at the
# first step, 65 kB when full of text; previews have 54 kB at full size, 24 kB at the second step.
POSTER_STEPS = ((1.0, 82), (1.0, 60), (1.0, 40), (0.75, 60), (0.75, 40), (0.5, 60), (0.5, 40), (0.25, 40))
PREVIEW_STEPS = ((1.0, 40), (0.75, 45), (0.75, 25), (0.5, 40), (0.5, 20), (0.25, 20))
FRAME_STEPS = ((1.0, 60), (1.0, 40), (1.0, 20), (0.5, 20))


class Still(NamedTuple):
    """An encoded image, or an animation; the size is in pixels."""

    content: bytes
    width: int
    height: int

    def write(self, path: Path, seconds: float | None = None) -> Asset:
        """Write the image to a file; `seconds` is the duration of an animation."""
        path.write_bytes(self.content)
        return Asset(path, CONTENT_TYPE, self.width, self.height, seconds)


def thumbnail(image: Image.Image) -> Image.Image:
    """Shrink an image so that its longer side is at most 320 pixels."""
    scale = min(1.0, THUMBNAIL_SIDE / max(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    return resized(image, size, Image.Resampling.BILINEAR, reducing_gap=1.0)


def poster(image: Image.Image) -> Still:
    """Encode a still, at full size if that fits."""
    return _within(POSTER_STEPS, [image], lambda images, quality: _webp(images[0], quality, method=3))


def frame(small: Image.Image) -> bytes:
    """Encode a thumbnail."""
    return _within(FRAME_STEPS, [small], lambda images, quality: _webp(images[0], quality, method=0)).content


def preview(thumbnails: Sequence[Image.Image]) -> Still:
    """Encode thumbnails as an endless animation."""
    return _within(PREVIEW_STEPS, thumbnails, _animated)


def preview_places(frames: int) -> set[int]:
    """Choose the frames of a clip for its preview, spread evenly."""
    shown = min(frames, PREVIEW_FRAMES)
    return {index * frames // shown for index in range(shown)}


def _within(
    steps: Iterable[tuple[float, int]],
    images: Sequence[Image.Image],
    encode: Callable[[Sequence[Image.Image], int], bytes],
) -> Still:
    """Encode at the first step that fits into 30 kB; after the last step, halve the size until it fits."""
    scale, quality = 1.0, 0
    for scale, quality in steps:
        still = _at(scale, quality, images, encode)
        if len(still.content) <= MOST_PICTURE_BYTES:
            return still
    while True:
        scale /= 2
        still = _at(scale, quality, images, encode)
        if len(still.content) <= MOST_PICTURE_BYTES or max(still.width, still.height) <= SMALLEST_SIDE:
            return still


def _at(
    scale: float,
    quality: int,
    images: Sequence[Image.Image],
    encode: Callable[[Sequence[Image.Image], int], bytes],
) -> Still:
    width, height = (max(1, round(side * scale)) for side in images[0].size)
    if scale != 1.0:
        images = [resized(image, (width, height), Image.Resampling.BILINEAR, reducing_gap=1.0) for image in images]
    return Still(encode(images, quality), width, height)


def _webp(image: Image.Image, quality: int, *, method: int) -> bytes:
    out = BytesIO()
    image.save(out, "WEBP", quality=quality, method=method)
    return out.getvalue()


def _animated(images: Sequence[Image.Image], quality: int) -> bytes:
    out = BytesIO()
    images[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=list(images[1:]),
        duration=round(1000 * PREVIEW_SECONDS_PER_FRAME),
        loop=0,
        quality=quality,
        method=1,
    )
    return out.getvalue()
