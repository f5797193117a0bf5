"""The view of a landscape: sky, a light that rises, land and motes."""

from random import Random

from PIL import Image, ImageDraw

from providers.render.landscape import land
from providers.render.landscape.motes import Motes
from providers.render.landscape.palette import Palette
from providers.render.landscape.sky import Sky, glow


class View:
    """Draws any frame of the landscape; what does not move is drawn once."""

    def __init__(
        self, palette: Palette, seed: int, size: tuple[int, int], frames: int, frames_per_second: int, kind: str | None
    ) -> None:
        width, height = size
        rng = Random(seed)  # noqa: S311 - shapes, not secrets
        self._frames = frames
        self._frames_per_second = frames_per_second
        self._sky = Sky(palette, rng, width, height)
        self._light = _Light(palette, rng, width, height)
        self._ridges = land.ridges(palette, rng, width, height, frames, kind)
        self._motes = Motes(palette.light, rng, width, height)

    def draw(self, frame: int) -> Image.Image:
        """Draw one frame, counted from 0."""
        seconds = frame / self._frames_per_second
        image = self._sky.at(seconds)
        self._light.over(image, frame / self._frames)
        for ridge in self._ridges:
            ridge.over(image, frame)
        self._motes.over(image, seconds)
        return image


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
