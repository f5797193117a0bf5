"""The picture is legible, differs from take to take, and has small images."""

from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from providers.port import MOST_PICTURE_BYTES, Asset, Progress, Rendered
from providers.render import caption, skyline, stills, wire
from providers.render.fonts import Fonts
from providers.render.palette import Colour, palette
from providers.render.picture import Picture
from providers.render.pixels import resized
from providers.render.wire import Ticket

FONTS = Fonts()


def a_ticket(
    *, prompt: str = "A prompt", title: str | None = "Title", number: int = 1, size: tuple[int, int] = (160, 90)
) -> Ticket:
    return Ticket(prompt, title, number, 1.0, *size, workdir="")


def luminance(colour: Colour) -> float:
    """Relative luminance by WCAG 2.2."""
    linear = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (128, 128)])
def test_white_text_is_legible_on_any_background(size: tuple[int, int]) -> None:
    """Behind the words even a white picture is dark enough for a contrast of 4.5:1."""
    image = Image.new("RGB", size, "white")
    foot, corner = caption.caption(a_ticket(prompt="word " * 40, size=size), FONTS)
    for overlay in (foot, corner):
        overlay.over(image)
    # The title's top is where the shade has become full: two margins below its upper edge.
    for at in ((1, foot.at[1] + 2 * round(min(size) * caption.MARGIN) + 1), (1, size[1] - 1)):
        behind = image.getpixel(at)
        assert isinstance(behind, tuple)
        assert 1.05 / (luminance((behind[0], behind[1], behind[2])) + 0.05) >= 4.5


def test_a_clip_without_words_still_names_its_take() -> None:
    """An empty title and an invisible prompt leave the picture free."""
    assert len(caption.caption(a_ticket(prompt="\u200b", title=None), FONTS)) == 1


@pytest.mark.parametrize("kind", skyline.OUTLINES)
@settings(deadline=None)
@given(seed=st.integers(0, 2**32), width=st.integers(64, 3000), feature=st.integers(16, 500))
def test_outlines_fill_their_width_and_stay_in_range(kind: str, seed: int, width: int, feature: int) -> None:
    """Each kind of land has a height for every column, and none leaves its strip."""
    outline = skyline.outline(kind, Random(seed), width, feature)
    assert len(outline) == width
    assert all(0 <= height <= 1 for height in outline)


@settings(deadline=None)
@given(prompt=st.text(), number=st.integers(1, 50))
def test_the_next_takes_have_other_colours(prompt: str, number: int) -> None:
    """Two takes after one another never share their colours."""
    one, two = palette(prompt, number), palette(prompt, number + 1)
    apart = [
        abs(a - b)
        for first, second in ((one.horizon, two.horizon), (one.middle, two.middle))
        for a, b in zip(first, second, strict=True)
    ]
    assert max(apart) >= 20


def test_the_picture_moves() -> None:
    """No two frames in a row are the same."""
    picture = Picture(a_ticket(), FONTS)
    frames = [picture.draw(number).tobytes() for number in range(picture.frames)]
    assert len(set(frames)) == len(frames) == 24


@pytest.mark.parametrize(
    ("size", "small"), [((1280, 720), (320, 180)), ((720, 1280), (180, 320)), ((64, 64), (64, 64))]
)
def test_thumbnails_are_at_most_320_pixels_long(size: tuple[int, int], small: tuple[int, int]) -> None:
    """Previews and live frames keep the clip's shape and are never larger than it."""
    assert stills.thumbnail(Image.new("RGB", size)).size == small


def test_a_live_frame_is_small_even_of_noise() -> None:
    """The worst picture still makes a frame that can be pushed to every viewer."""
    assert len(stills.frame(_noise(320, 320, seed=1))) <= MOST_PICTURE_BYTES


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("grain", [1, 4, 40])
def test_posters_and_previews_are_small_of_any_clip(grain: int, seed: int) -> None:
    """From noise to large patches: less sharp or smaller where they must be, and of the size that is said."""
    width, height = 1280, 720
    shots = [_noise(width // grain, height // grain, seed=seed * 100 + number) for number in range(3)]
    large = [resized(shot, (width, height), Image.Resampling.NEAREST) for shot in shots]
    thumbnails = [stills.thumbnail(large[number % 3]) for number in range(stills.PREVIEW_FRAMES)]
    for still in (stills.poster(large[0]), stills.preview(thumbnails)):
        assert len(still.content) <= MOST_PICTURE_BYTES
        with Image.open(BytesIO(still.content)) as image:
            assert image.size == (still.width, still.height)
        assert still.width / still.height == pytest.approx(16 / 9, rel=0.05)


@pytest.mark.parametrize("take", [1, 2])
@pytest.mark.parametrize("prompt", ["A lighthouse at dusk", "高い塔 " * 80, "A crowded market in heavy snow"])
def test_the_pictures_of_usual_clips_stay_sharp(prompt: str, take: int) -> None:
    """At the usual size the poster loses no pixel, unless it is full of writing; the preview keeps 240 a line."""
    picture = Picture(Ticket(prompt, None, take, 1.0, 1280, 720, "/nowhere"), FONTS)
    shots = [picture.draw(number) for number in sorted(stills.preview_places(picture.frames))]
    poster, preview = stills.poster(shots[0]), stills.preview([stills.thumbnail(shot) for shot in shots])
    assert max(len(poster.content), len(preview.content)) <= MOST_PICTURE_BYTES
    assert poster.width >= (640 if "塔" in prompt else 1280)
    assert preview.width >= (160 if "塔" in prompt else 240)


def _noise(width: int, height: int, *, seed: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), Random(seed).randbytes(3 * width * height))


@pytest.mark.parametrize(("frames", "shown"), [(1, 1), (12, 12), (20, 20), (1440, 20)])
def test_a_preview_spans_the_clip(frames: int, shown: int) -> None:
    """The preview shows at most twenty frames, the first one among them, evenly spread."""
    places = sorted(stills.preview_places(frames))
    assert len(places) == shown
    assert places[0] == 0
    assert places[-1] >= frames - frames / shown - 1


@settings(deadline=None)
@given(prompt=st.text(st.characters(categories=None)), title=st.none() | st.text(), number=st.integers(1, 99))
def test_a_ticket_survives_the_wire(prompt: str, title: str | None, number: int) -> None:
    """One line of ASCII carries any prompt."""
    sent = a_ticket(prompt=prompt, title=title, number=number)
    line = sent.line()
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert wire.ticket(line) == sent


@pytest.mark.parametrize(
    "said",
    [
        Progress(0.5, b"\0\xffimage"),
        Progress(0.25),
        Rendered(
            Asset(Path("/orders/clip.mp4"), "video/mp4", 64, 36, 1.5),
            Asset(Path("/orders/poster.webp"), "image/webp", 64, 36),
            Asset(Path("/orders/preview.webp"), "image/webp", 64, 36, 2.0),
        ),
    ],
    ids=["frame", "figure", "result"],
)
def test_a_report_survives_the_wire(said: Progress | Rendered) -> None:
    """The server hears exactly what the rendering process said."""
    line = wire.progress_line(said) if isinstance(said, Progress) else wire.rendered_line(said)
    assert wire.report(line.encode(), Path("/orders")) == said
