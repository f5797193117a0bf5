"""Takes a picture out of a clip, at full size and without loss."""

from pathlib import Path
from typing import Any

from providers.clips.description import opened, video_of
from providers.clips.problems import UNREADABLE, BadClip
from providers.inspection.images import Images
from providers.inspection.look import described
from providers.inspection.sampling import decoded, seek
from providers.port import Asset

CONTENT_TYPE = "image/png"
# Files are read again and again, and written once.
COMPRESSION = 4


def take(path: Path, folder: Path, at_seconds: float | None) -> Asset:
    """Write the picture that the clip shows at a time after its start, or its last one, into the folder.

    Upright, with square pixels and in standard colours. Raises BadClip when it cannot be decoded.
    """
    clip, tail = described(path, None)
    start = float(clip.pictures.start)
    shown: Any = None
    with opened(path, clip.container) as file:
        video = video_of(file)
        due = None if at_seconds is None else start + at_seconds
        seek(file, video, tail.at if due is None else due)
        for picture in decoded(file, video):
            if picture.pts is None:
                continue
            if due is not None and shown is not None and float(picture.time) > due:
                break
            shown = picture
        if shown is None:
            raise BadClip(UNREADABLE, "has no picture at this time that can be decoded")
        image = Images(clip.pictures, folder, max(clip.pictures.displayed)).image(shown)
    target = folder / "frame.png"
    image.save(target, "PNG", compress_level=COMPRESSION)
    return Asset(target, CONTENT_TYPE, image.width, image.height)
