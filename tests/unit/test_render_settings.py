"""Settings of orders that the provider `local` obeys: seed, size, sound and options."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from providers import local_order
from providers.catalogue import InputRole, Resolution, Settings
from providers.local import LocalProvider
from providers.local_model import ASPECT_RATIOS, LANDS, Size
from providers.port import Failure, Made, Order
from providers.render import tone_bed
from providers.render.clip import Clip
from providers.render.landscape import seeds
from providers.render.lettering.fonts import Fonts
from providers.render.picture import Picture
from tests.support.input_files import PictureFile
from tests.support.media_files import probe
from tests.support.orders import an_order, made, small_local
from tests.support.property_settings import MODEST

SMALL = Size(320, 180)
FONTS = Fonts()


def an_asking(**settings: object) -> Order:
    return an_order(Path("/nowhere"), settings=replace(Settings(), **settings))


async def picture(order: Order, size: Size = SMALL) -> Picture:
    return Picture(await local_order.ticket(order, size), FONTS)


async def test_same_seed_makes_the_same_clip_in_any_take(tmp_path: Path) -> None:
    """Byte for byte; the seed that was chosen for a take is reported, and makes the same picture again."""
    short = an_order(tmp_path, duration_seconds=0.5, settings=Settings(options={"caption": False}))
    first = await made(small_local(), short)
    assert first.made.settings is not None
    again = tmp_path / "again"
    again.mkdir()
    seeded = replace(short, number=5, key="take_5", workdir=again, settings=first.made.settings)
    second = await made(small_local(), seeded)
    assert first.clip.path.read_bytes() == second.clip.path.read_bytes()
    assert first.made.settings == second.made.settings


async def test_caption_of_a_clip_with_a_seed_has_no_take() -> None:
    """With the same seed each take is the same picture; without one the take is shown."""
    takes = [await local_order.ticket(replace(an_asking(seed=7), number=number), SMALL) for number in (1, 2)]
    assert [take.label for take in takes] == ["Seed 7", "Seed 7"]
    assert (await local_order.ticket(replace(an_asking(), number=2), SMALL)).label == "Take 2"


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
async def test_another_seed_makes_another_picture(seed: int) -> None:
    """Colours and shapes, also of seeds that follow each other."""
    plain, other = [
        (await picture(an_asking(seed=each, options={"caption": False}))).draw(0)
        for each in (seed, (seed + 1) % seeds.SEEDS)
    ]
    pairs = zip(plain.tobytes(), other.tobytes(), strict=True)
    assert sum(abs(a - b) for a, b in pairs) / len(plain.tobytes()) > 8


@MODEST
@given(prompt=st.text(), title=st.none() | st.text(), number=st.integers(1, 10_000))
def test_chosen_seed_is_a_seed_of_the_api(prompt: str, title: str | None, number: int) -> None:
    """In 0..4294967295, and the same each time."""
    seed = seeds.chosen(prompt, title, number)
    assert 0 <= seed < 2**32
    assert seed == seeds.chosen(prompt, title, number)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (Settings(), (1280, 720)),
        (Settings(aspect_ratio="9:16"), (720, 1280)),
        (Settings(aspect_ratio="1:1", resolution=Resolution.P480), (480, 480)),
        (Settings(resolution=Resolution.P360), (640, 360)),
        (Settings(resolution=Resolution.P1080), (1920, 1080)),
        (Settings(resolution=Resolution.P1440), (2560, 1440)),
        (Settings(aspect_ratio="4:3", resolution=Resolution.P2160), (2880, 2160)),
        (Settings(aspect_ratio="21:9", resolution=Resolution.P1080), (2520, 1080)),
    ],
    ids=["default", "portrait", "square", "P360", "P1080", "P1440", "P2160", "wide"],
)
def test_clip_has_the_size_that_its_settings_ask_for(settings: Settings, size: tuple[int, int]) -> None:
    """The resolution is the shorter side; what is not asked for is as configured."""
    clip = Size(1280, 720).of(settings)
    assert (clip.width, clip.height) == size


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
@pytest.mark.parametrize("resolution", Resolution)
def test_clip_of_any_ratio_and_resolution_can_be_encoded(ratio: str, resolution: Resolution) -> None:
    """Both sides are even, and the ratio is right to the pixel."""
    clip = Size(320, 180).of(Settings(aspect_ratio=ratio, resolution=resolution))
    assert (clip.width % 2, clip.height % 2) == (0, 0)
    wide, high = map(int, ratio.split(":"))
    assert abs(clip.width - Fraction(wide, high) * clip.height) <= max(1, Fraction(wide, high))


@pytest.mark.parametrize("size", [(1366, 768), (854, 480), (64, 4096), (90, 160)])
async def test_configured_size_is_that_of_an_order_with_the_defaults_of_its_model(size: tuple[int, int]) -> None:
    """Whatever it is: the settings of the model mean just this size."""
    provider = LocalProvider(*size)
    (model,) = await provider.models()
    clip = Size(*size).of(model.defaults)
    assert (clip.width, clip.height) == size
    assert model.defaults.aspect_ratio in model.aspect_ratios


async def test_large_clip_is_drawn_smaller_and_enlarged(tmp_path: Path) -> None:
    """Drawing at 3840x2160 would take four times the time and memory."""
    large = await picture(an_asking(resolution=Resolution.P2160))
    assert large.draw(0).size == (1920, 1080)
    with Clip(tmp_path / "clip.mp4", 128, 72, 24) as clip:
        clip.write(Image.new("RGB", (64, 36), "red"))
    assert probe(tmp_path / "clip.mp4").size == (128, 72)


async def test_clip_with_sound_has_as_much_of_it_as_of_pictures(tmp_path: Path) -> None:
    """An audible chord in stereo, chosen by the seed."""
    order = an_order(tmp_path, duration_seconds=1.0, settings=Settings(audio=True))
    rendered = await made(small_local(), order)
    assert rendered.checked
    assert rendered.made.settings is not None
    assert rendered.made.settings.audio is True
    with av.open(rendered.clip.path) as file:
        sound = file.streams.audio[0]
        assert (sound.codec_context.name, sound.codec_context.layout.name) == ("aac", "stereo")
        assert abs((sound.duration or 0) * (sound.time_base or 0) - 1) < Fraction(1, 24)
    assert probe(rendered.clip.path).frames == 24


def test_tone_bed_is_audible_and_varies_by_seed() -> None:
    """It is not silent, ends where it should, and never exceeds full scale."""
    ones = [*tone_bed.frames(1, 24_000)]
    assert sum(frame.samples for frame in ones) == 24_000
    left = b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in ones)
    samples = memoryview(left).cast("f")
    loudest = max(abs(sample) for sample in samples)
    assert 0.05 < loudest < 0.5
    assert abs(samples[0]) < 0.001
    assert left == b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in tone_bed.frames(1, 24_000))
    assert left != b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in tone_bed.frames(2, 24_000))


@pytest.mark.parametrize("name", ["hue", "land"])
async def test_options_change_the_picture(name: str) -> None:
    """Each value gives another picture of the same seed."""
    values: dict[str, list[object]] = {"hue": [0, 120, 240.5], "land": [*LANDS]}
    drawn = [(await picture(an_asking(seed=3, options={name: value}))).draw(5).tobytes() for value in values[name]]
    assert len(set(drawn)) == 3


async def test_picture_without_caption_has_no_text_and_no_bar() -> None:
    """The foot of it is as the land is, on the left as on the right."""
    bare = (await picture(an_asking(seed=3, options={"caption": False}))).draw(5)
    plain = (await picture(an_asking(seed=3, options={"caption": True}))).draw(5)
    rows = (0, 178, 320, 180)
    assert plain.crop(rows).tobytes() != bare.crop(rows).tobytes()
    assert bare.getpixel((2, 179)) == bare.getpixel((2, 178))


@MODEST
@given(
    options=st.dictionaries(
        st.sampled_from(["hue", "land", "caption"]),
        st.booleans() | st.none() | st.integers(-1, 361) | st.floats(-1, 361) | st.sampled_from([*LANDS, "sea"]),
    )
)
async def test_options_are_refused_exactly_where_the_schema_refuses_them(options: dict[str, object]) -> None:
    """Options that were accepted by an older server, with another schema, fail the take before it is drawn."""
    (model,) = await small_local().models()
    assert model.options_schema is not None
    fits = jsonschema_rs.is_valid(dict(model.options_schema), options)
    try:
        local_order.check(an_asking(options=options), SMALL)
    except Failure as failure:
        accepted = (failure.code, failure.retryable) != ("INVALID_OPTIONS", False)
    else:
        accepted = True
    assert accepted == fits


@pytest.mark.parametrize(
    ("settings", "code"),
    [(Settings("other"), "UNKNOWN_MODEL"), (Settings(aspect_ratio="1:9"), "INVALID_ASPECT_RATIO")],
    ids=["model", "ratio"],
)
async def test_order_that_the_model_cannot_make_is_refused(tmp_path: Path, settings: Settings, code: str) -> None:
    """When it is submitted, not retryably."""
    with pytest.raises(Failure) as caught:
        await small_local().submit(an_order(tmp_path, settings=settings))
    assert (caught.value.code, caught.value.retryable) == (code, False)


async def test_what_has_no_effect_is_said_to_be_ignored(tmp_path: Path) -> None:
    """A negative prompt, unknown options, inputs of other roles, and more inputs of a role than are shown."""
    roles = [InputRole.FIRST_FRAME, InputRole.FIRST_FRAME, InputRole.SOURCE_VIDEO, *[InputRole.REFERENCE] * 5]
    settings = Settings(negative_prompt="fog", options={"caption": False, "mood": "calm"})
    files = tuple(PictureFile(tmp_path, role) for role in roles)
    order = an_order(tmp_path, duration_seconds=0.5, settings=settings, inputs=files)
    rendered = await made(small_local(), order)
    seed = seeds.chosen(order.prompt, order.title, 1)
    assert rendered.made == Made(
        Settings("placeholder", "16:9", None, seed, None, audio=False, options={"caption": False}),
        ("negativePrompt", "options.mood", "inputs.1", "inputs.2", "inputs.7"),
        metrics=rendered.made.metrics,
    )
    assert isinstance(rendered.made.metrics["renderSeconds"], float)
