"""The picture of a clip: legible, different for each take, with small poster, preview and live frames."""

from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from providers.port import MOST_PICTURE_BYTES, Asset, Progress, Rendered
from providers.render import caption, stills, wire
from providers.render.landscape import seeds, skyline
from providers.render.landscape.palette import Colour, palette
from providers.render.lettering.fonts import Fonts
from providers.render.picture import Picture
from providers.render.pixels import resized
from providers.render.wire import Ticket
from tests.support.property_settings import MODEST

FONTS = Fonts()


def a_ticket(
    *, prompt: str = "A prompt", title: str | None = "Title", number: int = 1, size: tuple[int, int] = (160, 90)
) -> Ticket:
    return Ticket(prompt, title, f"Take {number}", seeds.chosen(prompt, title, number), 1.0, *size, workdir="")


def luminance(colour: Colour) -> float:
    """Relative luminance by WCAG 2.2."""
    linear = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (128, 128)])
def test_caption_text_is_legible_on_any_background(size: tuple[int, int]) -> None:
    """Under the text even a white picture is dark enough for a contrast of 4.5:1."""
    image = Image.new("RGB", size, "white")
    foot, corner = caption.caption(a_ticket(prompt="word " * 40, size=size), FONTS, size)
    for overlay in (foot, corner):
        overlay.over(image)
    # The shade is full two margins below its upper edge, where the title begins.
    for at in ((1, foot.at[1] + 2 * round(min(size) * caption.MARGIN) + 1), (1, size[1] - 1)):
        behind = image.getpixel(at)
        assert isinstance(behind, tuple)
        assert 1.05 / (luminance((behind[0], behind[1], behind[2])) + 0.05) >= 4.5


def test_caption_without_title_and_prompt_has_its_take() -> None:
    """There is no shade at the foot of the picture."""
    assert len(caption.caption(a_ticket(prompt="\u200b", title=None), FONTS, (160, 90))) == 1


@pytest.mark.parametrize("kind", skyline.OUTLINES)
@MODEST
@given(seed=st.integers(0, 2**32), width=st.integers(64, 3000), feature=st.integers(16, 500))
def test_clip_land_outline_has_a_height_for_every_column(kind: str, seed: int, width: int, feature: int) -> None:
    """In 0..1, for each kind of land."""
    outline = skyline.outline(kind, Random(seed), width, feature)
    assert len(outline) == width
    assert all(0 <= height <= 1 for height in outline)


@MODEST
@given(prompt=st.text(), number=st.integers(1, 50))
def test_next_take_has_other_colours(prompt: str, number: int) -> None:
    """Visibly different ones."""
    one, two = (palette(seeds.chosen(prompt, None, take)) for take in (number, number + 1))
    apart = [
        abs(a - b)
        for first, second in ((one.horizon, two.horizon), (one.middle, two.middle))
        for a, b in zip(first, second, strict=True)
    ]
    assert max(apart) >= 20


def test_clip_frames_differ() -> None:
    """No frame is like another."""
    picture = Picture(a_ticket(), FONTS)
    frames = [picture.draw(number).tobytes() for number in range(picture.frames)]
    assert len(set(frames)) == len(frames) == 24


@pytest.mark.parametrize(
    ("size", "small"), [((1280, 720), (320, 180)), ((720, 1280), (180, 320)), ((64, 64), (64, 64))]
)
def test_clip_thumbnails_are_at_most_320_pixels_long(size: tuple[int, int], small: tuple[int, int]) -> None:
    """Previews and live frames keep the aspect ratio, and are never larger than the clip."""
    assert stills.thumbnail(Image.new("RGB", size)).size == small


def test_live_frame_of_a_render_is_small_even_of_noise() -> None:
    """At most 30 kB."""
    assert len(stills.frame(_noise(320, 320, seed=1))) <= MOST_PICTURE_BYTES


@pytest.mark.parametrize("grain", [1, 4, 40])
def test_poster_and_preview_of_a_clip_are_small(grain: int) -> None:
    """From noise to large patches, at reduced quality or size; their size is reported correctly."""
    width, height = 1280, 720
    shots = [_noise(width // grain, height // grain, seed=number) for number in range(3)]
    large = [resized(shot, (width, height), Image.Resampling.NEAREST) for shot in shots]
    thumbnails = [stills.thumbnail(large[number % 3]) for number in range(stills.PREVIEW_FRAMES)]
    for still in (stills.poster(large[0]), stills.preview(thumbnails)):
        assert len(still.content) <= MOST_PICTURE_BYTES
        with Image.open(BytesIO(still.content)) as image:
            assert image.size == (still.width, still.height)
        assert still.width / still.height == pytest.approx(16 / 9, rel=0.05)


@pytest.mark.parametrize(
    ("prompt", "take"), [("A lighthouse at dusk", 1), ("高い塔 " * 80, 1), ("A crowded market in heavy snow", 2)]
)
def test_poster_and_preview_of_a_usual_clip_are_sharp(prompt: str, take: int) -> None:
    """The poster has full size, unless it is full of text; the preview has 240 pixels a line."""
    picture = Picture(a_ticket(prompt=prompt, title=None, number=take, size=(1280, 720)), FONTS)
    shots = [picture.draw(number) for number in sorted(stills.preview_places(picture.frames))]
    poster, preview = stills.poster(shots[0]), stills.preview([stills.thumbnail(shot) for shot in shots])
    assert max(len(poster.content), len(preview.content)) <= MOST_PICTURE_BYTES
    assert poster.width >= (640 if "塔" in prompt else 1280)
    assert preview.width >= (160 if "塔" in prompt else 240)


def _noise(width: int, height: int, *, seed: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), Random(seed).randbytes(3 * width * height))


@pytest.mark.parametrize(("frames", "shown"), [(1, 1), (12, 12), (20, 20), (1440, 20)])
def test_preview_spans_the_clip(frames: int, shown: int) -> None:
    """It has at most twenty frames, evenly spread, the first one included."""
    places = sorted(stills.preview_places(frames))
    assert len(places) == shown
    assert places[0] == 0
    assert places[-1] >= frames - frames / shown - 1


@MODEST
@given(prompt=st.text(st.characters(categories=None)), title=st.none() | st.text(), number=st.integers(1, 99))
def test_render_ticket_is_decoded_as_encoded(prompt: str, title: str | None, number: int) -> None:
    """One line of ASCII, with any prompt."""
    sent = a_ticket(prompt=prompt, title=title, number=number)
    line = sent.line()
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert wire.ticket(line) == sent


@pytest.mark.parametrize(
    "step",
    [
        Progress(0.5, b"\0\xffimage"),
        Progress(0.25),
        Rendered(
            Asset(Path("/orders/clip.mp4"), "video/mp4", 64, 36, 1.5),
            Asset(Path("/orders/poster.webp"), "image/webp", 64, 36),
            Asset(Path("/orders/preview.webp"), "image/webp", 64, 36, 2.0),
            checked=True,
            repeatable=True,
        ),
        Rendered(Asset(Path("/orders/clip.webm"), "video/webm")),
    ],
    ids=["frame", "figure", "result", "bare result"],
)
def test_render_progress_is_decoded_as_encoded(step: Progress | Rendered) -> None:
    """And so is the result."""
    line = wire.progress_line(step) if isinstance(step, Progress) else wire.rendered_line(step)
    assert wire.report(line.encode(), Path("/orders")) == step
