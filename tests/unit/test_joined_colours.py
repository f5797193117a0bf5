"""Greys of every coding keep their brightness beside a clip of standard range."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest
from PIL import Image

from providers.joining import video
from providers.joining.wire import Clip
from tests.support import four_colours, odd_clips
from tests.support.four_colours import Coding
from tests.support.odd_clips import KINDS
from tests.support.played_clips import play

TAGS = {"601": (6, 6, 6), "709": (1, 1, 1), "2020": (9, 14, 9)}
TRANSFERS = {"pq": 16, "hlg": 18}
TEN = "yuv420p10le"
HEVC = {"x265-params": "log-level=none:pools=1:frame-threads=1:bframes=0"}


def grey_clip(path: Path, level: float, pixel_format: str, coding: Coding) -> Path:
    """Make a clip of one grey: the signal of BT.601 and BT.709, the light of other codings, 1 for white."""
    grey = round(level * 255)
    with cast("Any", av.open(str(path), "w", format="mp4")) as output:
        codec, options = ("libx265", HEVC) if pixel_format == TEN else ("libx264", {})
        stream = output.add_stream(codec, rate=24, options=options)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 64, 48, pixel_format
        primaries, transfer, matrix = TAGS[coding.matrix]
        transfer = TRANSFERS.get(coding.transfer, transfer)
        context.color_primaries, context.color_trc, context.colorspace = primaries, transfer, matrix
        context.color_range = 2 if coding.full else 1
        for number in range(4):
            frame = four_colours.frame(Image.new("RGB", (64, 48), (grey, grey, grey)), pixel_format, coding)
            frame.color_primaries, frame.color_trc, frame.colorspace = primaries, transfer, matrix
            frame.color_range = context.color_range
            frame.pts, frame.time_base = number, Fraction(1, 24)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


CODINGS = {
    "bt601": ("yuv420p", Coding("601")),
    "bt709": ("yuv420p", Coding("709")),
    "full range": ("yuvj420p", Coding("709", full=True)),
    "full range of ten bits": (TEN, Coding("709", full=True)),
    "ten bits": (TEN, Coding("709")),
    "wide gamut": (TEN, Coding("2020")),
    "pq": (TEN, Coding("2020", transfer="pq")),
    "hlg": (TEN, Coding("2020", transfer="hlg")),
}


@pytest.mark.parametrize("level", [0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("name", CODINGS)
def test_grey_keeps_its_brightness(name: str, level: float, tmp_path: Path) -> None:
    """White at 203 cd/m² becomes white; what is half as bright looks half as bright on a display of gamma 2.4."""
    pixel_format, coding = CODINGS[name]
    path = grey_clip(tmp_path / "grey.mp4", level, pixel_format, coding)
    plain = odd_clips.make(tmp_path / "plain.mp4", KINDS["plain"])
    video.join(video.plan([Clip(str(plain), "video/mp4"), Clip(str(path), "video/mp4")]), tmp_path / "joined.mp4")
    shown = cast("Any", play(tmp_path / "joined.mp4").pictures[-1].getpixel((32, 24)))
    signal = round(level * 255) / 255
    expected = 255 * (signal ** (1 / 2.4) if coding.matrix == "2020" else signal)
    assert shown == pytest.approx((expected, expected, expected), abs=4)
