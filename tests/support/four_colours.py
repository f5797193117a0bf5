"""A picture of four colours whose orientation shows, as it is coded in any colour space.

As displayed: red, green, blue and white in reading order, and in the middle a block that alternates with each picture.
The mathematics are written from Rec. ITU-R BT.601, BT.709, BT.2020 and BT.2100, not from the product.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import av
from PIL import Image

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
Rgb = tuple[float, float, float]
# The luminance of white in pictures of high dynamic range, in cd/m² (Rec. ITU-R BT.2408).
WHITE_LIGHT = 203.0
# Kr and Kb.
_WEIGHTS = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
# Rec. ITU-R BT.2087: linear BT.709 in linear BT.2020.
_TO_2020 = ((0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956))
_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


class Coding(NamedTuple):
    """How colours are coded: the matrix, the range, and the transfer function: "sdr", "pq" or "hlg"."""

    matrix: str = "601"
    full: bool = False
    transfer: str = "sdr"


def displayed(width: int, height: int, number: int) -> Image.Image:
    """Return picture `number` of a clip."""
    image = Image.new("RGB", (width, height), RED)
    middle, centre = width // 2, height // 2
    image.paste(GREEN, (middle, 0, width, centre))
    image.paste(BLUE, (0, centre, middle, height))
    image.paste(WHITE, (middle, centre, width, height))
    block = (width * 3 // 8, height * 3 // 8, width * 5 // 8, height * 5 // 8)
    image.paste(WHITE if number % 2 else BLACK, block)
    return image


def unturned(image: Image.Image, degrees: int, *, mirrored: bool) -> Image.Image:
    """Return what is coded when players turn it counter-clockwise, then mirror it horizontally, to show the image."""
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.transpose(_TURNS[degrees]) if degrees else image


def frame(image: Image.Image, pixel_format: str, coding: Coding) -> Any:
    """Return a frame of PyAV that shows the image; formats without chroma planes are left to PyAV."""
    made = cast("Any", av.VideoFrame)(image.width, image.height, pixel_format)
    planar = not made.format.is_rgb and len(made.planes) in (1, 3)
    if not planar:
        return cast("Any", av.VideoFrame).from_image(image)
    bits: int = made.format.components[0].bits
    colours = cast("list[tuple[int, tuple[int, int, int]]]", image.getcolors())
    values = {colour: _coded(colour, bits, coding) for _, colour in colours}
    pixels = cast("Any", image.load())
    for number, plane in enumerate(made.planes):
        across, down = image.width / plane.width, image.height / plane.height
        rows = bytearray()
        for y in range(plane.height):
            row = [values[pixels[int(x * across), int(y * down)]][number] for x in range(plane.width)]
            coded = bytes(row) if bits == 8 else b"".join(value.to_bytes(2, "little") for value in row)
            rows += coded.ljust(plane.line_size, b"\0")
        plane.update(bytes(rows))
    return made


def _coded(colour: tuple[int, int, int], bits: int, coding: Coding) -> tuple[int, int, int]:
    """Return luma and chroma."""
    red, green, blue = _signal((colour[0] / 255, colour[1] / 255, colour[2] / 255), coding)
    kr, kb = _WEIGHTS[coding.matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = ((blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr))
    most = (1 << bits) - 1
    if coding.full:
        return round(luma * most), *(min(most, round((each + 0.5) * (most + 1))) for each in chroma)  # type: ignore[return-value]
    scale = 1 << (bits - 8)
    cb, cr = (round((128 + 224 * each) * scale) for each in chroma)
    return round((16 + 219 * luma) * scale), cb, cr


def _signal(linear: Rgb, coding: Coding) -> Rgb:
    """Return the signal of a colour: its parts are the signal of BT.601 and BT.709, and light, 0..1, of all others."""
    if coding.matrix != "2020":
        return linear
    red, green, blue = (sum(a * b for a, b in zip(row, linear, strict=True)) for row in _TO_2020)
    if coding.transfer == "hlg":
        return _hlg((red, green, blue))
    curve = _pq if coding.transfer == "pq" else _display
    return curve(red), curve(green), curve(blue)


def _display(light: float) -> float:
    return light ** (1 / 2.4)


def _pq(light: float) -> float:
    powered = (light * WHITE_LIGHT / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * powered) / (1 + 2392 / 128 * powered)) ** (2523 / 32)


def _hlg(rgb: Rgb) -> Rgb:
    """Return the HLG signal of displayed light, on a display of 1000 cd/m²."""
    shown = [each * WHITE_LIGHT / 1000 for each in rgb]
    luminance = 0.2627 * shown[0] + 0.6780 * shown[1] + 0.0593 * shown[2]
    scene = [each * luminance ** (1 / 1.2 - 1) if luminance else 0.0 for each in shown]
    red, green, blue = (_hlg_signal(each) for each in scene)
    return red, green, blue


def _hlg_signal(scene: float) -> float:
    a = 0.17883277
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    return a * math.log(12 * scene - (1 - 4 * a)) + 0.5 - a * math.log(4 * a)


def quadrants(image: Image.Image) -> Sequence[tuple[int, int, int]]:
    """Return the colours in the middle of each quarter, in reading order."""
    points = ((1, 1), (3, 1), (1, 3), (3, 3))
    return [cast("Any", image.getpixel((image.width * x // 4, image.height * y // 4))) for x, y in points]
