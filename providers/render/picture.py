"""The animated picture of a clip: sky, a light, land, motes, the caption and a progress bar."""

from hashlib import sha256
from random import Random

from PIL import Image, ImageDraw

from providers.render import caption, land
from providers.render.fonts import Fonts
from providers.render.motes import Motes
from providers.render.palette import Palette, palette
from providers.render.sky import Sky, glow
from providers.render.wire import Ticket

FRAMES_PER_SECOND = 24


class Picture:
    """Draws any frame of a clip; static parts are drawn once."""

    def __init__(self, ticket: Ticket, fonts: Fonts) -> None:
        width, height = ticket.width, ticket.height
        self.frames = max(1, round(ticket.duration_seconds * FRAMES_PER_SECOND))
        self._size = (width, height)
        rng = Random(_seed(ticket))  # noqa: S311 - shapes, not secrets
        colours = palette(ticket.prompt, ticket.number)
        self._colours = colours
        self._sky = Sky(colours, rng, width, height)
        self._light = _Light(colours, rng, width, height)
        self._ridges = land.ridges(colours, rng, width, height, self.frames)
        self._motes = Motes(colours.light, rng, width, height)
        self._caption = caption.caption(ticket, fonts)

    def draw(self, frame: int) -> Image.Image:
        """Draw one frame, counted from 0."""
        seconds = frame / FRAMES_PER_SECOND
        image = self._sky.at(seconds)
        self._light.over(image, frame / self.frames)
        for ridge in self._ridges:
            ridge.over(image, frame)
        self._motes.over(image, seconds)
        for overlay in self._caption:
            overlay.over(image)
        self._draw_bar(image, (frame + 1) / self.frames)
        return image

    def _draw_bar(self, image: Image.Image, share: float) -> None:
        width, height = self._size
        thick = max(2, height // 144)
        ImageDraw.Draw(image).rectangle(
            (0, height - thick, max(0, round(width * share) - 1), height), fill=self._colours.light
        )


class _Light:
    """A sun or moon that rises a little while the clip lasts."""

    def __init__(self, colours: Palette, rng: Random, width: int, height: int) -> None:
        side = min(width, height)
        radius = round(side * rng.uniform(0.06, 0.10))
        self._mask = glow(6 * radius, 6 * radius, 0.75)
        disc = Image.new("L", (8 * radius, 8 * radius), 0)
        ImageDraw.Draw(disc).ellipse((0, 0, 8 * radius - 1, 8 * radius - 1), fill=245)
        disc = disc.reduce(4)
        self._mask.paste(disc, (2 * radius, 2 * radius), disc)
        self._fill = Image.new("RGB", self._mask.size, colours.light)
        self._x = round(rng.uniform(0.2, 0.8) * width) - 3 * radius
        self._from, self._to = 0.46 * height - 3 * radius, rng.uniform(0.2, 0.32) * height - 3 * radius

    def over(self, image: Image.Image, share: float) -> None:
        y = round(self._from + (self._to - self._from) * share)
        image.paste(self._fill, (self._x, y), self._mask)


def _seed(ticket: Ticket) -> int:
    key = "\0".join((ticket.prompt, ticket.title or "", str(ticket.number)))
    return int.from_bytes(sha256(key.encode("utf-8", "surrogatepass")).digest()[:8])
