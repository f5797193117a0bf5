"""What moves behind the caption: the landscape, or from the first picture to the last one."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from providers.catalogue import InputRole
from providers.render import photograph
from providers.render.landscape.palette import Palette
from providers.render.landscape.view import View
from providers.render.photograph import Photograph
from providers.render.wire import Ticket


class Background:
    """Draws any frame. The first one is the first picture exactly, and the last one the last picture."""

    def __init__(
        self, ticket: Ticket, palette: Palette, size: tuple[int, int], frames: int, frames_per_second: int
    ) -> None:
        self._frames = frames
        first = _photograph(ticket, InputRole.FIRST_FRAME, size)
        self._last = _photograph(ticket, InputRole.LAST_FRAME, size)
        self._start: Callable[[int], Image.Image]
        if first is None:
            self._start = View(palette, ticket.seed, size, frames, frames_per_second, ticket.land).draw
        else:
            self._start = lambda frame: first.at(self._share(frame))

    def draw(self, frame: int) -> Image.Image:
        """Draw one frame, counted from 0."""
        share = self._share(frame)
        if self._last is None:
            return self._start(frame)
        if share == 1:
            return self._last.at(0)
        # Slow at both ends, so that the given pictures stay for a moment.
        return Image.blend(self._start(frame), self._last.at(1 - share), share * share * (3 - 2 * share))

    def _share(self, frame: int) -> float:
        return frame / max(1, self._frames - 1)


def _photograph(ticket: Ticket, role: InputRole, size: tuple[int, int]) -> Photograph | None:
    source = next((source for source in ticket.pictures if source.role == role), None)
    return Photograph(photograph.read(Path(source.path), source.name), size) if source is not None else None
