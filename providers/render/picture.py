"""The animated picture of a clip: a background, small reference pictures, the caption and a progress bar."""

from PIL import Image, ImageDraw

from providers.catalogue import InputRole
from providers.render import caption
from providers.render.background import Background
from providers.render.landscape.palette import palette
from providers.render.lettering.fonts import Fonts
from providers.render.references import references
from providers.render.wire import Ticket

FRAMES_PER_SECOND = 24
# Larger frames are drawn with this shorter side, in pixels, and enlarged by the encoder's scaler: drawing at 3840x2160
# would take four times the time and memory.
LARGEST_DRAWN_SIDE = 1080
# What lies over the background disappears towards a given picture, which is then shown as it is.
FADE_SECONDS = 0.5


class Picture:
    """Draws any frame of a clip; static parts are drawn once. Raises Failure when an input is no picture."""

    def __init__(self, ticket: Ticket, fonts: Fonts) -> None:
        self.frames = max(1, round(ticket.duration_seconds * FRAMES_PER_SECOND))
        scale = min(1.0, LARGEST_DRAWN_SIDE / min(ticket.width, ticket.height))
        self._size = (round(ticket.width * scale), round(ticket.height * scale))
        colours = palette(ticket.seed, ticket.hue)
        self._background = Background(ticket, colours, self._size, self.frames, FRAMES_PER_SECOND)
        self._overlays = references(ticket, self._size)
        self._bar = colours.light if ticket.caption else None
        if ticket.caption:
            self._overlays += caption.caption(ticket, fonts, self._size)
        roles = {source.role for source in ticket.pictures}
        self._fades = (InputRole.FIRST_FRAME in roles, InputRole.LAST_FRAME in roles)

    def draw(self, frame: int) -> Image.Image:
        """Draw one frame, counted from 0."""
        image = self._background.draw(frame)
        strength = self._strength(frame)
        for overlay in self._overlays:
            overlay.over(image, strength)
        if self._bar is not None and strength == 1:
            self._draw_bar(image, (frame + 1) / self.frames, self._bar)
        return image

    def _strength(self, frame: int) -> float:
        """Return how much is seen of what lies over the background, in 0..1."""
        fades_in, fades_out = self._fades
        length = FADE_SECONDS * FRAMES_PER_SECOND
        start = frame / length if fades_in else 1.0
        end = (self.frames - 1 - frame) / length if fades_out else 1.0
        return min(1.0, start, end)

    def _draw_bar(self, image: Image.Image, share: float, colour: tuple[int, int, int]) -> None:
        width, height = self._size
        thick = max(2, height // 144)
        ImageDraw.Draw(image).rectangle((0, height - thick, max(0, round(width * share) - 1), height), fill=colour)
