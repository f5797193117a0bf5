"""WebP images of a clip: the poster, the animated preview, the newest frame while it renders."""

from collections.abc import Callable, Sequence
from io import BytesIO

from PIL import Image

from providers.render.pixels import resized

CONTENT_TYPE = "image/webp"
THUMBNAIL_SIDE = 320
FRAME_BYTES = 30_000
PREVIEW_BYTES = 200_000
PREVIEW_FRAMES = 20
PREVIEW_SECONDS_PER_FRAME = 0.1
QUALITIES = (60, 40, 20, 0)


def thumbnail(image: Image.Image) -> Image.Image:
    """Shrink an image so that its longer side is at most 320 pixels."""
    scale = min(1.0, THUMBNAIL_SIDE / max(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    return resized(image, size, Image.Resampling.BILINEAR, reducing_gap=1.0)


def poster(image: Image.Image) -> bytes:
    """Encode a still at full size."""
    return _webp(image, 82, method=3)


def frame(small: Image.Image) -> bytes:
    """Encode a thumbnail in at most 30 kB."""
    return _within(FRAME_BYTES, lambda quality: _webp(small, quality, method=0))


def preview(thumbnails: Sequence[Image.Image]) -> bytes:
    """Encode thumbnails as an endless animation, if possible in 200 kB."""
    return _within(PREVIEW_BYTES, lambda quality: _animated(thumbnails, quality))


def preview_places(frames: int) -> set[int]:
    """Choose the frames of a clip that its preview shows, spread over all of it."""
    shown = min(frames, PREVIEW_FRAMES)
    return {index * frames // shown for index in range(shown)}


def _within(most: int, encode: Callable[[int], bytes]) -> bytes:
    for quality in QUALITIES[:-1]:
        encoded = encode(quality)
        if len(encoded) <= most:
            return encoded
    return encode(QUALITIES[-1])


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
