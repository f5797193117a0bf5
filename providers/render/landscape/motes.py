"""Small lights that drift through the picture."""

import math
from random import Random

from PIL import Image

from providers.render.landscape.palette import Colour
from providers.render.landscape.sky import glow

COUNT = 36


class Motes:
    """Soft dots, each of which rises, sways and starts over at the bottom."""

    def __init__(self, colour: Colour, rng: Random, width: int, height: int) -> None:
        self._height = height
        side = min(width, height)
        masks = [glow(round(side * size) + 3, round(side * size) + 3, 0.9) for size in (0.008, 0.014, 0.024)]
        self._sprites = [(Image.new("RGB", mask.size, colour), mask) for mask in masks]
        self._motes = [
            (i % 3, rng.random() * width, rng.random(), rng.uniform(0.02, 0.06), rng.random() * math.tau)
            for i in range(COUNT)
        ]
        self._sway = side * 0.02

    def over(self, image: Image.Image, seconds: float) -> None:
        """Paste all motes on the image, at their positions at this time."""
        for kind, x, start, speed, phase in self._motes:
            fill, mask = self._sprites[kind]
            y = (start - speed * seconds) % 1.1 - 0.05
            place = (round(x + self._sway * math.sin(seconds + phase)), round(y * self._height))
            image.paste(fill, place, mask)
