"""The sky: a gradient with slow veils of light, drawn small once a second and blended in between."""

import math
from itertools import chain
from random import Random
from typing import cast

from PIL import Image

from providers.render.landscape.palette import Colour, Palette, mix
from providers.render.pixels import mapped, resized

# Blending two finished skies costs 0.2 ms at 1280x720, drawing one 9 ms.
SECONDS_APART = 1.0
SHORT_SIDE = 72


class Sky:
    """The background of every frame of one clip."""

    def __init__(self, palette: Palette, rng: Random, width: int, height: int) -> None:
        self._size = (width, height)
        scale = SHORT_SIDE / min(width, height)
        self._small = (round(width * scale), round(height * scale))
        self._gradient = _gradient([palette.zenith, palette.middle, palette.horizon], self._small)
        colours = [palette.horizon, palette.light, palette.middle, mix(palette.zenith, palette.far, 0.5)]
        self._veils = [_Veil(colours[i % len(colours)], rng, self._small) for i in range(6)]
        self._drawn: dict[int, Image.Image] = {}

    def at(self, seconds: float) -> Image.Image:
        """Return a new image of the sky at this time."""
        index, share = divmod(seconds / SECONDS_APART, 1)
        return Image.blend(self._key(int(index)), self._key(int(index) + 1), share)

    def _key(self, index: int) -> Image.Image:
        if index not in self._drawn:
            self._drawn = {i: image for i, image in self._drawn.items() if i >= index - 1}
            self._drawn[index] = self._draw(index * SECONDS_APART)
        return self._drawn[index]

    def _draw(self, seconds: float) -> Image.Image:
        small = self._gradient.copy()
        for veil in self._veils:
            veil.over(small, seconds)
        return resized(small, self._size)


class _Veil:
    """One soft patch of light on a slow closed path."""

    def __init__(self, colour: Colour, rng: Random, size: tuple[int, int]) -> None:
        width, height = size
        across, along = rng.uniform(0.7, 1.3) * width, rng.uniform(0.35, 0.7) * height
        self._mask = glow(round(across), round(along), rng.uniform(0.35, 0.6))
        self._fill = Image.new("RGB", self._mask.size, colour)
        self._centre = (rng.uniform(0.1, 0.9) * width - across / 2, rng.uniform(0.05, 0.6) * height - along / 2)
        self._reach = (rng.uniform(0.2, 0.4) * width, rng.uniform(0.05, 0.15) * height)
        self._phase = (rng.random() * math.tau, rng.random() * math.tau)
        self._period_seconds = rng.uniform(9, 15)

    def over(self, image: Image.Image, seconds: float) -> None:
        turn = math.tau * seconds / self._period_seconds
        x = self._centre[0] + self._reach[0] * math.sin(turn + self._phase[0])
        y = self._centre[1] + self._reach[1] * math.sin(turn + self._phase[1])
        image.paste(self._fill, (round(x), round(y)), self._mask)


def glow(width: int, height: int, strength: float) -> Image.Image:
    """Make a mask that is `strength` (0..1) at its centre and fades to nothing at its rim."""
    distance = Image.radial_gradient("L")
    rim = cast("int", distance.getpixel((0, distance.height // 2)))
    soft = mapped(distance, lambda v: 255 * strength * max(0.0, 1 - v / rim) ** 2)
    return resized(soft, (width, height))


def _gradient(colours: list[Colour], size: tuple[int, int]) -> Image.Image:
    column = [_stop(colours, y / max(1, size[1] - 1)) for y in range(size[1])]
    return resized(Image.frombytes("RGB", (1, size[1]), bytes(chain.from_iterable(column))), size)


def _stop(colours: list[Colour], place: float) -> Colour:
    left = min(int(place * (len(colours) - 1)), len(colours) - 2)
    return mix(colours[left], colours[left + 1], place * (len(colours) - 1) - left)
