"""Tone mapping: pictures of high dynamic range or wide gamut become BT.709 with standard range.

Reference white, 203 cd/m² (Rec. ITU-R BT.2408), becomes the white of the joined video, as that of clips beside it. What
is brighter becomes white too; a colour that BT.709 lacks is moved towards the grey of its luminance until it fits.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from providers.clips.colour import BT2020, HLG, PQ, Colour

WHITE = 203.0
# Rec. ITU-R BT.1886: what a display makes of a signal of standard range.
DISPLAY_GAMMA = 2.4
# Rec. ITU-R BT.2100: the brightest that PQ can say; the nominal display of HLG and its system gamma.
PQ_PEAK, HLG_PEAK, HLG_GAMMA = 10_000.0, 1_000.0, 1.2
# H.273: SMPTE RP 431-2 and EG 432-1 (P3), here both with the white of a display.
P3 = (11, 12)
SHAPER_SIZE = 4096
# A node of the cube is exactly at reference white, so that interpolation keeps greys exact up to there.
CUBE_SIZE = 49
WHITE_AT = 0.75
FROM_BT2020 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
FROM_P3 = ((1.2249, -0.2247, -0.0002), (-0.0420, 1.0419, 0.0001), (-0.0197, -0.0786, 1.0983))
SAME = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

Rgb = tuple[float, float, float]


def needs_mapping(colour: Colour) -> bool:
    """Return whether pictures of these colours are not those of BT.709."""
    return colour.is_hdr or colour.primaries in (BT2020, *P3)


def write_tables(colour: Colour, folder: Path) -> tuple[Path, Path]:
    """Write the tables of FFmpeg's filters `lut1d` and `lut3d` for these colours, and return their paths."""
    name = f"tone_{colour.transfer}_{colour.primaries}"
    shaper, cube = folder / f"{name}_shaper.cube", folder / f"{name}.cube"
    if not cube.exists():
        shaper.write_text(_shaper(colour))
        cube.write_text(_cube(colour))
    return shaper, cube


def _shaper(colour: Colour) -> str:
    light = _light_of(colour.transfer)
    values = (_shaped(light(number / (SHAPER_SIZE - 1)), _peak(colour)) for number in range(SHAPER_SIZE))
    return f"LUT_1D_SIZE {SHAPER_SIZE}\n" + "".join(f"{value:.6f} {value:.6f} {value:.6f}\n" for value in values)


@lru_cache(maxsize=4)
def _cube(colour: Colour) -> str:
    """Return a table of display signals by the shaped signals of red, green and blue; red changes fastest."""
    peak = _peak(colour)
    nodes = [_unshaped(number / (CUBE_SIZE - 1), peak) / WHITE for number in range(CUBE_SIZE)]
    matrix = FROM_P3 if colour.primaries in P3 else FROM_BT2020 if colour.primaries == BT2020 else SAME
    shown = _hlg_displayed if colour.transfer == HLG else _as_it_is
    lines = [
        "{:.5f} {:.5f} {:.5f}\n".format(*_signal(*_fitted(*_multiplied(matrix, *shown(red, green, blue)))))
        for blue in nodes
        for green in nodes
        for red in nodes
    ]
    return f"LUT_3D_SIZE {CUBE_SIZE}\n" + "".join(lines)


def _as_it_is(red: float, green: float, blue: float) -> Rgb:
    return red, green, blue


def _hlg_displayed(red: float, green: float, blue: float) -> Rgb:
    """Apply the system gamma to the luminance of the scene, not to each colour (Rec. ITU-R BT.2100, table 5).

    Light is 1 for reference white.
    """
    scale = (WHITE / HLG_PEAK) ** (1 / HLG_GAMMA)
    red, green, blue = (each ** (1 / HLG_GAMMA) * scale for each in (red, green, blue))
    luminance = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    gain = HLG_PEAK / WHITE * luminance ** (HLG_GAMMA - 1)
    return red * gain, green * gain, blue * gain


def _multiplied(matrix: Sequence[Rgb], red: float, green: float, blue: float) -> Rgb:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    return a * red + b * green + c * blue, d * red + e * green + f * blue, g * red + h * green + i * blue


def _fitted(red: float, green: float, blue: float) -> Rgb:
    """Move a colour of BT.709 towards the grey of its luminance until all parts are within 0..1."""
    grey = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    if grey >= 1:
        return 1.0, 1.0, 1.0
    most, least = max(red, green, blue), min(red, green, blue)
    keep = min((1 - grey) / (most - grey) if most > 1 else 1.0, grey / (grey - least) if least < 0 else 1.0)
    return grey + keep * (red - grey), grey + keep * (green - grey), grey + keep * (blue - grey)


def _signal(red: float, green: float, blue: float) -> Rgb:
    """Return what a display of standard range shows as this light; rounding may have left it slightly outside."""
    power = 1 / DISPLAY_GAMMA
    return max(0.0, red) ** power, max(0.0, green) ** power, max(0.0, blue) ** power


def _light_of(transfer: int) -> Callable[[float], float]:
    """Return the function from the signal of a grey, 0..1, to its light on the display in cd/m²."""
    return {PQ: _pq_light, HLG: _hlg_light}.get(transfer, lambda signal: WHITE * signal**DISPLAY_GAMMA)


def _pq_light(signal: float) -> float:
    """The EOTF of PQ (Rec. ITU-R BT.2100, table 4)."""
    root = signal ** (32 / 2523)
    return PQ_PEAK * (max(0.0, root - 3424 / 4096) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)


def _hlg_light(signal: float) -> float:
    """The inverse OETF of HLG and the system gamma, for a grey (Rec. ITU-R BT.2100, table 5)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - c) / a) + b) / 12
    return HLG_PEAK * min(1.0, scene) ** HLG_GAMMA


def _peak(colour: Colour) -> float:
    return {PQ: PQ_PEAK, HLG: HLG_PEAK}.get(colour.transfer, WHITE)


def _shaped(light: float, peak: float) -> float:
    """Return a signal in which greys up to white are as they are displayed, and brighter ones logarithmic."""
    top = WHITE_AT if peak > WHITE else 1.0
    if light <= WHITE:
        return top * (light / WHITE) ** (1 / DISPLAY_GAMMA)
    return min(1.0, top + (1 - top) * math.log(light / WHITE) / math.log(peak / WHITE))


def _unshaped(signal: float, peak: float) -> float:
    top = WHITE_AT if peak > WHITE else 1.0
    if signal <= top:
        return WHITE * (signal / top) ** DISPLAY_GAMMA
    return WHITE * (peak / WHITE) ** ((signal - top) / (1 - top))
