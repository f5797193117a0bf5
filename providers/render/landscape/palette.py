"""The colours of a clip: an evening sky, rotated around the colour wheel."""

import colorsys
from dataclasses import dataclass

from providers.render.landscape.seeds import SEEDS, place

Colour = tuple[int, int, int]

# From green over blue and red to orange: dark yellows look muddy.
FIRST_HUE, HUES = 0.36, 0.74


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of the sky from zenith to horizon, of its light, and of the far and near land."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    light: Colour
    far: Colour
    near: Colour

    def land(self, depth: float) -> Colour:
        """Return the colour of the land at a depth of 0 (far) to 1 (near)."""
        return mix(self.far, self.near, depth)


def palette(seed: int, degrees: float | None = None) -> Palette:
    """Choose the colours of a seed, or its colours around a hue in degrees."""
    spot = place(seed)
    hue = FIRST_HUE + spot / SEEDS * HUES if degrees is None else degrees / 360
    drift = 0.10 if spot % 2 else -0.10
    return Palette(
        zenith=_colour(hue, 0.16, 0.62),
        middle=_colour(hue + drift, 0.38, 0.50),
        horizon=_colour(hue + 2 * drift, 0.74, 0.72),
        light=_colour(hue + 2.4 * drift, 0.92, 0.90),
        far=_colour(hue + 1.2 * drift, 0.40, 0.34),
        near=_colour(hue, 0.07, 0.46),
    )


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours; `share` in 0..1 is that of the other one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _colour(hue: float, lightness: float, saturation: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue % 1, lightness, saturation))
    return red, green, blue
