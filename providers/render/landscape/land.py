"""The land under the sky: ridges that move, the nearer ones faster."""

from random import Random

from PIL import Image, ImageDraw

from providers.render.landscape import skyline
from providers.render.landscape.palette import Palette, mix
from providers.render.pixels import resized


class Ridge:
    """One silhouette, a strip wide enough for the whole clip, shown through a window of the frame's width."""

    def __init__(
        self, strip: Image.Image, fill: Image.Image, top: int, frames_per_step: int, pixels_per_step: int
    ) -> None:
        self._strip = strip
        self._fill = fill
        self._top = top
        self._frames_per_step = frames_per_step
        self._pixels_per_step = pixels_per_step

    def over(self, image: Image.Image, frame: int) -> None:
        """Paste the ridge on the image, at its position in this frame."""
        x = frame // self._frames_per_step * self._pixels_per_step
        window = self._strip.crop((x, 0, x + self._fill.width, self._fill.height))
        image.paste(self._fill, (0, self._top), window)


def ridges(palette: Palette, rng: Random, width: int, height: int, frames: int, kind: str | None = None) -> list[Ridge]:
    """Make three ridges, the farthest first; `kind` is one of skyline.OUTLINES, by chance without it.

    Equal whole steps look smoother than rounded ones.
    """
    by_chance = rng.choice(list(skyline.OUTLINES))
    step = max(1, round(width / 1280))
    plans = [(0.0, 0.44, 0.20, 2, step), (0.45, 0.56, 0.20, 1, step), (0.9, 0.70, 0.16, 1, 2 * step)]
    made: list[Ridge] = []
    for depth, top, tall, frames_per_step, pixels_per_step in plans:
        across = width + frames // frames_per_step * pixels_per_step
        bottom = height if depth > 0.5 else round(height * (top + tall + 0.16))
        feature = round(min(width, height) * (0.35 + 0.35 * depth))
        outline = skyline.outline(kind or by_chance, rng, across, feature)
        window = (width, bottom - round(height * top))
        strip = _strip(outline, across, window[1], tall * height)
        haze = mix(palette.land(depth), palette.horizon, 0.45 * (1 - depth))
        fill = resized(Image.linear_gradient("L"), window)
        land = Image.composite(Image.new("RGB", window, haze), Image.new("RGB", window, palette.land(depth)), fill)
        made.append(Ridge(strip, land, round(height * top), frames_per_step, pixels_per_step))
    return made


def _strip(outline: skyline.Outline, across: int, along: int, tall: float) -> Image.Image:
    # Twice the size and halved again: Pillow draws polygons without anti-aliasing.
    strip = Image.new("L", (2 * across, 2 * along), 0)
    rim = [(x, round(2 * tall * (1 - outline[x // 2]))) for x in range(2 * across)]
    ImageDraw.Draw(strip).polygon([(0, 2 * along), *rim, (2 * across, rim[-1][1]), (2 * across, 2 * along)], fill=255)
    return strip.reduce(2)
