"""A template becomes the workflow of an order, and a model of the catalogue (provider `comfyui`)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.catalogue import AudioSupport, InputRole, Resolution, Settings
from providers.comfyui.workflows.header import Frames
from providers.comfyui.workflows.sizes import frames, size
from providers.comfyui.workflows.template import Template
from providers.comfyui.workflows.templates import Templates, WrongTemplate, load, parse
from providers.port import Failure, Order
from tests.support.comfyui import EXAMPLES, GivenFile, templates
from tests.support.orders import an_order

EXAMPLE = EXAMPLES / "wan-2.2-5b.json"
# Two references, of which the second goes through another node, and a sound that a boolean switches.
WORKFLOW: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "b.png"}},
    "3": {"class_type": "Scale", "inputs": {"image": ["2", 0]}},
    "4": {"class_type": "Make", "inputs": {"text": "as it was", "one": ["1", 0], "two": ["3", 0], "sound": True}},
    "5": {"class_type": "SaveVideo", "inputs": {"video": ["4", 0]}},
}
HEADER: dict[str, Any] = {
    "slots": {"prompt": "4.text", "audio": "4.sound"},
    "inputs": {"REFERENCE": ["1.image", "2.image"]},
    "without": {"REFERENCE": ["3"]},
    "durations_seconds": [4],
    "audio": "OPTIONAL",
}


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """An order of 1.5 seconds."""
    return an_order(tmp_path)


@pytest.fixture
def example() -> Template:
    """The example of the documentation."""
    return templates().named(None)


def small(**header: Any) -> Template:
    """Return a template with references and sound."""
    return parse("small", {"scenewire": HEADER | header, "workflow": WORKFLOW})


def asked(order: Order, **settings: Any) -> Order:
    """Return an order with settings."""
    return replace(order, settings=Settings(**settings))


def with_references(order: Order, count: int) -> Order:
    """Return an order with so many references."""
    return replace(order, inputs=(GivenFile(InputRole.REFERENCE, Path("unused")),) * count)


def test_values_of_an_order_go_to_their_slots(example: Template, order: Order) -> None:
    """The number of frames is the next that the model makes; what the order leaves open stays as it is."""
    filled = example.fill(asked(order, seed=7, negative_prompt="fog", options={"steps": 30}), ())
    nodes: dict[str, Any] = {name: node["inputs"] for name, node in filled.workflow.items()}
    assert nodes["5"]["text"] == order.prompt
    assert nodes["6"]["text"] == "fog"
    assert {name: nodes["9"][name] for name in ("seed", "steps", "cfg")} == {"seed": 7, "steps": 30, "cfg": 5}
    assert (nodes["8"]["length"], nodes["11"]["fps"]) == (37, 24)
    assert filled.settings == Settings(
        model="wan-2.2-5b", seed=7, negative_prompt="fog", audio=False, options={"steps": 30, "cfg": 5}
    )


def test_template_itself_does_not_change(example: Template, order: Order) -> None:
    """Two orders have workflows of their own."""
    before = json.dumps(example.workflow)
    example.fill(asked(order, seed=7, options={"steps": 30}), ())
    assert json.dumps(example.workflow) == before


def test_seed_follows_from_the_key_of_an_order_that_names_none(example: Template, order: Order) -> None:
    """It is the same after a restart, another one for the next take, and reported."""
    first, again = example.fill(order, ()), example.fill(order, ())
    other = example.fill(replace(order, key="take_2"), ())
    assert first.workflow == again.workflow
    assert first.settings.seed != other.settings.seed
    assert first.digest == other.digest
    assert first.digest != example.fill(asked(order, seed=7), ()).digest


@pytest.mark.parametrize(
    ("aspect_ratio", "resolution", "expected"),
    [
        (None, None, (1280, 704)),
        ("16:9", Resolution.P720, (1280, 704)),
        ("9:16", Resolution.P720, (704, 1280)),
        ("1:1", None, (704, 704)),
        (None, Resolution.P480, (864, 480)),
        ("21:9", Resolution.P1080, (2528, 1088)),
    ],
    ids=["as it is", "720p", "upright", "square", "480p", "1080p wide"],
)
def test_size_has_the_ratio_and_the_shorter_side(
    aspect_ratio: str | None, resolution: Resolution | None, expected: tuple[int, int]
) -> None:
    """Both sides are multiples of 32."""
    assert size((1280, 704), aspect_ratio, resolution, 32) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.01, 5), (1.0, 25), (1.1, 25), (1.2, 29), (5.0, 121)],
    ids=["shortest", "one", "between", "more", "longest"],
)
def test_number_of_frames_is_the_next_possible(seconds: float, expected: int) -> None:
    """Multiples of four, and one more."""
    assert frames(seconds, 24.0, Frames(multiple_of=4, plus=1)) == expected


@pytest.mark.parametrize(
    ("references", "left"),
    [(0, ["4", "5"]), (1, ["1", "3", "4", "5"]), (2, ["1", "2", "3", "4", "5"])],
    ids=["none", "one", "two"],
)
def test_references_fill_places_in_their_order(order: Order, references: int, left: list[str]) -> None:
    """Nodes of places that stay empty are left out, with links to them."""
    files = [f"scenewire/{number}.png" for number in range(references)]
    workflow = small().fill(with_references(order, references), files).workflow
    assert list(workflow) == left
    nodes: dict[str, Any] = {name: node["inputs"] for name, node in workflow.items()}
    assert [nodes[name]["image"] for name in ("1", "2") if name in nodes] == files
    links: list[list[Any]] = [value for name in nodes for value in nodes[name].values() if isinstance(value, list)]
    assert {node for node, _ in links} <= set(nodes)


def test_more_references_than_places_are_refused(order: Order) -> None:
    """Nothing is dropped silently."""
    with pytest.raises(Failure, match="at most 2") as caught:
        small().fill(with_references(order, 3), ["a", "b", "c"])
    assert caught.value.code == "INVALID_INPUT"


def test_settings_without_a_slot_are_listed_as_ignored(order: Order) -> None:
    """The workflow decides."""
    settings: dict[str, Any] = {"aspect_ratio": "16:9", "resolution": Resolution.P720, "seed": 1}
    filled = small().fill(asked(order, **settings, negative_prompt="fog", options={"steps": 3}), ())
    assert filled.ignored == ("aspectRatio", "resolution", "seed", "negativePrompt", "options.steps")
    assert filled.settings == Settings(model="small", audio=True)


@pytest.mark.parametrize(
    ("audio", "used"), [(None, True), (True, True), (False, False)], ids=["open", "with sound", "without sound"]
)
def test_sound_is_switched_by_its_slot(order: Order, *, audio: bool | None, used: bool) -> None:
    """An order that leaves it open gets what the workflow has."""
    filled = small().fill(asked(order, audio=audio), ())
    node: Any = filled.workflow["4"]["inputs"]
    assert (filled.settings.audio, node["sound"]) == (used, used)


def test_model_of_a_template_is_that_of_its_header() -> None:
    """Named as its file."""
    model = small().model
    assert (model.name, model.durations_seconds, model.max_references) == ("small", (4.0,), 2)
    assert (model.roles, model.audio) == ((InputRole.REFERENCE,), AudioSupport.OPTIONAL)
    assert (model.seed, model.negative_prompt, model.options_schema) == (False, False, None)


def test_model_of_the_example_has_options_and_defaults(example: Template) -> None:
    """The first ratio and resolution are the defaults."""
    model = example.model
    assert model.options_schema is not None
    assert model.options_schema["additionalProperties"] is False
    assert (model.min_duration_seconds, model.max_duration_seconds, model.durations_seconds) == (1.0, 5.0, None)
    assert model.defaults == Settings(model="wan-2.2-5b", aspect_ratio="16:9", resolution=Resolution.P720)


def test_first_template_by_name_is_the_default(tmp_path: Path) -> None:
    """A model without a template any more is refused."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(EXAMPLE.read_text())
    loaded: Templates = load(tmp_path)
    assert [template.name for template in loaded] == ["a", "b"]
    assert loaded.named(None).name == "a"
    with pytest.raises(Failure, match="no workflow c any more, only a, b") as caught:
        loaded.named("c")
    assert caught.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"inputs": {"FIRST_FRAME": "99.image"}}, "scenewire.inputs.FIRST_FRAME: the workflow has no node 99"),
        ({"inputs": {"FIRST_FRAME": "7.file"}}, "scenewire.inputs.FIRST_FRAME: node 7 has no input file, only image"),
        ({"slots": {"prompt": "5"}}, 'scenewire.slots.prompt is not a node and its input, such as "6.text"'),
        ({"slots": {}}, "scenewire.slots.prompt Field required"),
        ({"output": "99"}, "scenewire.output: the workflow has no node 99"),
        ({"colour": 1}, "scenewire.colour Extra inputs are not permitted"),
        ({"fps": 0}, "scenewire has a slot for frames, so it needs fps"),
        ({"max_duration_seconds": None}, "scenewire needs durations_seconds, or"),
        ({"audio": "OPTIONAL"}, "scenewire audio is OPTIONAL if and only if slots has audio"),
        ({"required": ["LAST_FRAME"]}, "scenewire inputs has no LAST_FRAME"),
        ({"aspect_ratios": ["wide"]}, "scenewire.aspect_ratios.0 String should match pattern"),
        ({"slots": {"prompt": "5.text", "frames": "8.length", "width": "8.width"}}, "scenewire slots needs both"),
        ({"slots": {"prompt": "5.text"}}, "scenewire has several durations, so slots needs frames or"),
    ],
    ids=[
        *("unknown node", "unknown input", "no place", "no prompt", "unknown output", "unknown field", "no rate"),
        *("no durations", "sound without a slot", "unknown role", "odd ratio", "width alone", "fixed length"),
    ],
)
def test_wrong_header_is_refused_in_one_line(header: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """It names the field."""
    document = json.loads(EXAMPLE.read_text())
    (tmp_path / "wan.json").write_text(json.dumps(document | {"scenewire": document["scenewire"] | header}))
    with pytest.raises(WrongTemplate) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"wan.json: {reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "wan.json: Expecting property name"),
        ("[]", "wan.json: needs the two fields scenewire and workflow"),
        ('{"scenewire": {}, "workflow": {"nodes": [], "links": []}}', "wan.json: workflow is not in the API format"),
    ],
    ids=["no JSON", "a list", "format of the editor"],
)
def test_file_that_is_no_template_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    """A workflow that was saved for the editor is a frequent mistake."""
    (tmp_path / "wan.json").write_text(content)
    with pytest.raises(WrongTemplate) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("exists", [True, False], ids=["empty folder", "no folder"])
def test_folder_without_templates_is_refused(tmp_path: Path, *, exists: bool) -> None:
    """The server does not start."""
    folder = tmp_path if exists else tmp_path / "none"
    with pytest.raises(WrongTemplate, match=r"has no file \*\.json"):
        load(folder)


@pytest.mark.parametrize(
    ("audio", "supports", "ignored"),
    [(True, "NEVER", ("audio",)), (False, "NEVER", ()), (True, "ALWAYS", ()), (False, "ALWAYS", ("audio",))],
    ids=["none to make", "none asked for", "always made", "always made although none is asked for"],
)
def test_sound_that_cannot_be_switched_is_listed_as_ignored(
    order: Order, *, audio: bool, supports: str, ignored: tuple[str, ...]
) -> None:
    """Only where the clip differs from what was asked for."""
    filled = small(audio=supports, slots={"prompt": "4.text"}).fill(asked(order, audio=audio), ())
    assert (filled.ignored, filled.settings.audio) == (ignored, supports == "ALWAYS")
