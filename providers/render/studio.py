"""Renders a ticket into files: the clip, its poster and its preview; and reports progress."""

import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from providers.inspection import look
from providers.port import Asset, Made, Progress, Rendered
from providers.render import stills, tone_bed
from providers.render.clip import Clip
from providers.render.lettering.fonts import Fonts
from providers.render.picture import FRAMES_PER_SECOND, Picture
from providers.render.wire import Ticket

# Progress is reported after this share of the clip or this many seconds, whichever comes first.
REPORT_SHARE = 0.05
REPORT_SECONDS = 0.5
# After the last frame, the encoder's rest, the preview and moving the index still take time.
FRAMES_SHARE = 0.95
POSTER_PLACE = 0.4


def render(ticket: Ticket, fonts: Fonts) -> Iterator[Progress | Rendered]:
    """Draw and encode the clip; the files are in the ticket's folder when Rendered is yielded.

    Raises Failure when an input is no picture.
    """
    started = time.monotonic()
    folder = Path(ticket.workdir)
    picture = Picture(ticket, fonts)
    fonts.save()
    thumbnails: list[Image.Image] = []
    poster = stills.Still(b"", 0, 0)
    places = stills.preview_places(picture.frames)
    reports = _Reports()
    clip_path = folder / "clip.mp4"
    sound = tone_bed.frames(ticket.seed, picture.frames * tone_bed.RATE // FRAMES_PER_SECOND) if ticket.sound else None
    with Clip(clip_path, ticket.width, ticket.height, FRAMES_PER_SECOND, sound, ticket.codec) as clip:
        for number in range(picture.frames):
            image = picture.draw(number)
            clip.write(image)
            if number in places:
                thumbnails.append(stills.thumbnail(image))
            if number == int(picture.frames * POSTER_PLACE):
                poster = stills.poster(image)
            share = FRAMES_SHARE * (number + 1) / picture.frames
            if reports.due(share):
                yield Progress(share, stills.frame(stills.thumbnail(image)))
    yield Rendered(
        Asset(clip_path, "video/mp4", ticket.width, ticket.height, picture.frames / FRAMES_PER_SECOND),
        poster.write(folder / "poster.webp"),
        stills.preview(thumbnails).write(folder / "preview.webp", len(thumbnails) * stills.PREVIEW_SECONDS_PER_FRAME),
        checked=look.passes(clip_path, ticket.duration_seconds),
        repeatable=True,
        made=Made(metrics={"renderSeconds": round(time.monotonic() - started, 3)}),
    )


class _Reports:
    """Decides when to report progress. The first frame is reported."""

    def __init__(self) -> None:
        self._share = -1.0
        self._at = 0.0

    def due(self, share: float) -> bool:
        now = time.monotonic()
        # The slack keeps shares that are multiples of a twentieth, up to rounding, from being reported a frame late.
        if share - self._share < REPORT_SHARE - 1e-9 and now - self._at < REPORT_SECONDS:
            return False
        self._share, self._at = share, now
        return True
