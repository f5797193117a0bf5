"""What a model can do, and its input, by its own schema (`providers.hosted.mapping`)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.catalogue import AudioSupport, InputRole, Model, Resolution, Settings
from providers.hosted.mapping import Mapped, mapped
from providers.port import Failure, Order
from tests.support.described_replicate import FRAMES, INPUT, SCHEMAS
from tests.support.input_files import PictureFile
from tests.support.orders import an_order
from tests.support.plain_ids import plain_text
from tests.support.property_settings import MODEST

PROMPT = {"prompt": {"type": "string"}}
DOCUMENT = {"components": {"schemas": SCHEMAS}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["duration", "num_frames", "fps", "seed", "image", "resolution", "aspect_ratio", "x"])
KEYWORDS = st.sampled_from(
    ["type", "enum", "$ref", "allOf", "anyOf", "items", "default", "maximum", "minimum", "properties"]
)


def of_fields(**fields: Any) -> Mapped:
    """Return the mapping of a schema with a prompt and these fields."""
    return mapped(DOCUMENT, {"type": "object", "properties": {**PROMPT, **fields}})


def order(**changes: Any) -> Order:
    return an_order(Path(), **{"duration_seconds": 2.0, **changes})


def refusal(fields: Mapped, asked: Order) -> str:
    with pytest.raises(Failure) as caught:
        fields.check(asked)
    assert (caught.value.code, caught.value.retryable, caught.value.unsettled) == ("INVALID_INPUT", False, False)
    return caught.value.message


def test_model_is_described_by_its_schema() -> None:
    """References are resolved, fields are known by their names, and the rest are its options."""
    assert mapped(DOCUMENT, INPUT).model("maker/official") == Model(
        "maker/official",
        1.0,
        8.0,
        durations_seconds=(1.0, 2.0, 8.0),
        aspect_ratios=("16:9", "9:16", "adaptive"),
        resolutions=(Resolution.P480, Resolution.P1080),
        roles=(InputRole.FIRST_FRAME, InputRole.LAST_FRAME, InputRole.REFERENCE),
        max_references=2,
        seed=True,
        negative_prompt=True,
        audio=AudioSupport.OPTIONAL,
        options_schema={
            "type": "object",
            "properties": {
                "camera_fixed": {"type": "boolean", "default": False},
                "guidance": {"type": "number", "minimum": 1, "maximum": 10},
            },
            "additionalProperties": False,
        },
        defaults=Settings("maker/official", "16:9", Resolution.P480, audio=False),
    )


def test_input_has_all_that_an_order_asks_for(tmp_path: Path) -> None:
    """In the words and types of the model."""
    asked = order(
        settings=Settings(None, "9:16", Resolution.P1080, 7, "fog", audio=True, options={"guidance": 3}),
        inputs=tuple(PictureFile(tmp_path, role) for role in (InputRole.LAST_FRAME, InputRole.REFERENCE)),
    )
    assert mapped(DOCUMENT, INPUT).input(asked, 7, {0: "https://one", 1: "https://two"}) == {
        "prompt": asked.prompt,
        "duration": 2,
        "aspect_ratio": "9:16",
        "resolution": "1080p",
        "seed": 7,
        "negative_prompt": "fog",
        "generate_audio": True,
        "guidance": 3,
        "last_frame": "https://one",
        "reference_images": ["https://two"],
    }


@pytest.mark.parametrize(
    ("name", "schema", "lengths", "asked", "sent"),
    [
        ("duration", {"type": "string", "enum": ["5", "10"]}, (5.0, 10.0), 10.0, "10"),
        ("duration", {"type": "string", "enum": ["4s", "8s", "auto"]}, (4.0, 8.0), 8.0, "8s"),
        ("seconds", {"type": "integer", "enum": [8, 4]}, (4.0, 8.0), 4.0, 4),
        ("duration", {"type": "integer", "minimum": 2, "maximum": 4}, (2.0, 3.0, 4.0), 3.0, 3),
        ("duration", {"type": "number", "minimum": 1, "maximum": 6}, None, 2.5, 2.5),
        ("duration", {"anyOf": [{"type": "integer", "maximum": 2}, {"type": "null"}]}, (1.0, 2.0), 2.0, 2),
    ],
    ids=plain_text,
)
def test_length_is_sent_as_the_model_writes_it(
    name: str, schema: Any, lengths: tuple[float, ...] | None, asked: float, sent: object
) -> None:
    """As text, as a number, with a unit; other lengths are refused before anything is bought."""
    fields = of_fields(**{name: schema})
    assert fields.model("m").durations_seconds == lengths
    made = fields.input(order(duration_seconds=asked), None, {})
    assert made[name] == sent
    assert type(made[name]) is type(sent)
    assert "no clips of 50 seconds" in refusal(fields, order(duration_seconds=50.0))


def test_length_is_a_number_of_frames() -> None:
    """At the model's own rate; the first frame is at the start."""
    fields = mapped({}, FRAMES)
    model = fields.model("m")
    assert (model.min_duration_seconds, model.max_duration_seconds) == (0.5, 2.0)
    frames = [fields.input(order(duration_seconds=seconds), None, {})["num_frames"] for seconds in (0.5, 1.0, 2.0)]
    assert frames == [9, 17, 33]
    assert model.options_schema == {
        "type": "object",
        "properties": {"frames_per_second": FRAMES["properties"]["frames_per_second"]},
        "additionalProperties": False,
    }


def test_number_of_frames_follows_the_rate_of_the_order() -> None:
    """An option; what comes to more frames than the model makes is refused, not shortened."""
    fields = mapped({}, FRAMES)
    slow = order(duration_seconds=2.0, settings=Settings(options={"frames_per_second": 8}))
    assert fields.input(slow, None, {})["num_frames"] == 17
    fast = order(duration_seconds=2.0, settings=Settings(options={"frames_per_second": 24}))
    assert "no clips of 2 seconds at 24 frames" in refusal(fields, fast)


def test_length_without_a_sensible_bound_is_that_of_scenes() -> None:
    """Not a list of two thousand million lengths."""
    for most in (2**31 - 1, 10**400, float("inf"), float("nan")):
        model = of_fields(duration={"type": "integer", "minimum": 1, "maximum": most}).model("m")
        assert model.durations_seconds == tuple(float(each) for each in range(1, 61))


def test_file_more_than_the_model_takes_is_refused(tmp_path: Path) -> None:
    """It is not dropped."""
    frames = tuple(PictureFile(tmp_path, InputRole.FIRST_FRAME) for _ in range(2))
    assert "no more than 1 inputs of the role FIRST_FRAME" in refusal(mapped(DOCUMENT, INPUT), order(inputs=frames))


def test_what_the_model_decides_itself_is_said_to_be_ignored() -> None:
    """Length, ratio and resolution; anything else is refused."""
    plain = of_fields()
    asked = order(settings=Settings(aspect_ratio="16:9", resolution=Resolution.P720))
    plain.check(asked)
    assert plain.input(asked, None, {}) == {"prompt": asked.prompt}
    assert plain.ignored(asked) == ("durationSeconds", "aspectRatio", "resolution")
    assert mapped(DOCUMENT, INPUT).ignored(asked) == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(aspect_ratio="1:1"), "no clips of 1:1"),
        (Settings(resolution=Resolution.P720), "no clips of P720"),
        (Settings(options={"colour": 1}), "no option colour"),
    ],
    ids=["ratio", "resolution", "option"],
)
def test_what_the_model_cannot_do_is_refused(settings: Settings, words: str) -> None:
    """Such as after its schema has changed."""
    assert words in refusal(mapped(DOCUMENT, INPUT), order(settings=settings))


def test_settings_without_a_field_are_refused(tmp_path: Path) -> None:
    """Nothing is dropped silently."""
    assert "negative prompt" in refusal(of_fields(), order(settings=Settings(negative_prompt="fog")))
    assert "sound" in refusal(of_fields(), order(settings=Settings(audio=True)))
    frame = PictureFile(tmp_path, InputRole.FIRST_FRAME)
    assert "FIRST_FRAME" in refusal(of_fields(), order(inputs=(frame,)))


def test_missing_file_of_the_model_is_refused() -> None:
    """A model that animates a picture needs one."""
    schema = {"type": "object", "properties": {**PROMPT, "image": {"type": "string"}}, "required": ["prompt", "image"]}
    assert "needs an input of the role FIRST_FRAME" in refusal(mapped({}, schema), order())


def test_seed_is_kept_within_the_bounds_of_the_model() -> None:
    """The same seed is always the same; the seed that was used is reported."""
    bounded = of_fields(seed={"type": "integer", "minimum": 10, "maximum": 19})
    assert [bounded.seed_for(seed) for seed in (10, 19, 27, 4294967295)] == [10, 19, 17, 15]
    assert of_fields(seed={"type": "integer", "minimum": 1, "maximum": 0}).seed_for(7) == 1
    assert of_fields(seed={"type": "integer"}).seed_for(4294967295) == 4294967295


@pytest.mark.parametrize("schema", [None, [], {}, {"properties": {}}, {"properties": {"prompt": {"type": "integer"}}}])
def test_schema_without_a_prompt_is_unusable(schema: object) -> None:
    """The model is not available then."""
    with pytest.raises(ValueError, match=r"no fields|no prompt"):
        mapped({}, schema)


@MODEST
@given(
    st.dictionaries(st.sampled_from(["duration", "seed", "image", "resolution", "x"]), st.dictionaries(KEYWORDS, JSON))
)
def test_any_schema_is_described_or_refused(fields: Any) -> None:
    """What others write never fails otherwise; references in a circle end."""
    circle = {"$ref": "#/components/schemas/circle"}
    document = {"components": {"schemas": {"circle": {"allOf": [circle], "items": circle}}}}
    found = mapped(document, {"properties": {**PROMPT, **fields, "round": circle}})
    model = found.model("m")
    assert 0 < model.min_duration_seconds <= model.max_duration_seconds
    assert found.seed_for(7) >= 0
