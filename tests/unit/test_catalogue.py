"""The catalogue: its models when a provider or a source fails, and consistent views of them."""

import logging
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from coordinator.commands import options
from coordinator.commands.catalogue import EVERYTHING, Catalogue, Models
from coordinator.commands.fitting import Asked, can_do, default_duration
from coordinator.commands.idempotency import _hash  # pyright: ignore[reportPrivateUsage]
from coordinator.commands.inputs import NewJob, NewScene
from providers.catalogue import AudioSupport, InputRole, Model, Settings, any_model, plain_model
from providers.port import Provider


class Teller:
    """A provider of which only the models are asked."""

    name = "teller"

    def __init__(self, *models: Model) -> None:
        self.on_offer: Sequence[Model] | None = models

    async def models(self) -> Sequence[Model]:
        """Return what is on offer; None is a defect."""
        if self.on_offer is None:
            raise RuntimeError("The program is wrong.")
        return self.on_offer


def providers(teller: object) -> Mapping[str, Provider]:
    """Return the providers of a catalogue."""
    return {"teller": cast("Provider", teller)}


async def test_edition_differs_when_the_models_differ() -> None:
    """Only then, so that what was rendered with them is kept."""
    teller = Teller(plain_model("one"))
    catalogue = Catalogue(providers(teller))
    assert await catalogue.models() == {"teller": (plain_model("one"),)}
    edition = catalogue.edition
    await catalogue.read()
    assert catalogue.edition == edition
    teller.on_offer = [plain_model("one"), plain_model("two")]
    assert [model.name for model in (await catalogue.models())["teller"]] == ["one", "two"]
    assert catalogue.edition == edition + 1


async def test_provider_that_fails_keeps_its_former_models(caplog: pytest.LogCaptureFixture) -> None:
    """And so does a source; the errors are logged."""
    teller = Teller(plain_model("one"))
    failing: list[bool] = []

    async def source() -> Mapping[str, Sequence[Model]]:
        if failing:
            raise RuntimeError("The program is wrong.")
        return {"leased": [any_model("far")]}

    catalogue = Catalogue(providers(teller), [source])
    before = await catalogue.models()
    assert set(before) == {"teller", "leased"}
    teller.on_offer = None
    failing.append(True)
    with caplog.at_level(logging.ERROR):
        assert await catalogue.models() == before
    assert [getattr(record, "action", None) for record in caplog.records] == ["catalogue.failed"] * 2


async def test_provider_without_models_has_a_plain_one() -> None:
    """Those of other packages may be older than the catalogue."""
    assert await Catalogue(providers(object())).models() == {"teller": (plain_model(),)}


def test_open_providers_have_every_model() -> None:
    """Also when some are known; the default is none of them."""
    models = Models({"leased": [plain_model("near")], "teller": [plain_model("one")]})
    assert models.find("leased", "near") == plain_model("near")
    assert models.find("leased", "far") == any_model("far")
    assert models.effective("leased", None, {"seed": 1}) == {"seed": 1}
    assert models.find("external", "any") == any_model("any")
    assert EVERYTHING.find("teller", "one") == any_model("one")
    assert models.find("teller", "two") is None
    assert models.find("teller", None) == plain_model("one")
    assert models.effective("teller", None, None) == {"model": "one"}
    assert models.effective("teller", {"model": "two", "seed": 1}, {"seed": 2}) == {"model": "two", "seed": 1}


def test_defaults_of_a_model_are_the_last_level() -> None:
    """Their empty options count as none."""
    model = Model("one", 1, 9, defaults=Settings(aspect_ratio="16:9", seed=3))
    models = Models({"teller": [model]})
    assert models.effective("teller", {"seed": 1}, {"options": {"a": 1}}) == {
        "model": "one",
        "seed": 1,
        "options": {"a": 1},
        "aspect_ratio": "16:9",
    }


@pytest.mark.parametrize(
    ("model", "seconds"),
    [
        (plain_model(), 5.0),
        (Model("long", 8, 60), 8),
        (Model("short", 0.5, 4), 4),
        (Model("either", 4, 8, durations_seconds=(4.0, 6.0, 8.0)), 4.0),
        (None, 5.0),
    ],
)
def test_length_that_is_left_out_is_the_nearest_of_the_model(model: Model | None, seconds: float) -> None:
    """To five seconds; of two that are as near, the shorter."""
    assert default_duration(model) == seconds


def test_model_that_always_has_sound_cannot_be_silent() -> None:
    """And what is not asked for is no reason."""
    model = Model("loud", 1, 9, audio=AudioSupport.ALWAYS)
    assert can_do(model, Asked({}))
    assert can_do(model, Asked({"audio": True}))
    assert not can_do(model, Asked({"audio": False}))


def test_any_two_roles_of_an_exclusive_set_exclude_each_other() -> None:
    """Not one role twice."""
    three = frozenset({InputRole.FIRST_FRAME, InputRole.REFERENCE, InputRole.SOURCE_VIDEO})
    model = Model("one", 1, 9, roles=tuple(InputRole), max_references=2, exclusive=(three,))
    asked = [{"role": "REFERENCE"}, {"role": "REFERENCE"}, {"role": "LAST_FRAME"}]
    assert can_do(model, Asked({}, asked))
    assert not can_do(model, Asked({}, [*asked, {"role": "SOURCE_VIDEO"}]))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "https://schemas.test/options.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"},
    ],
    ids=["type", "address", "file", "place"],
)
def test_schema_that_cannot_be_used_accepts_nothing(schema: dict[str, object]) -> None:
    """Nothing that it refers to is fetched or opened."""
    (problem,) = options.problems(schema, {"a": 1})
    assert problem == ((), "The options of the model cannot be checked: its schema is invalid.")


def test_pattern_of_a_schema_takes_no_long_time() -> None:
    """One that would backtrack for ages counts as not matched; messages do not quote what was given."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?=(a+)+$)x"}}}
    (problem,) = options.problems(schema, {"a": "a" * 5_000 + "!"})
    assert problem.path == ("a",)
    assert "aaa" not in problem.message


def test_request_without_settings_has_the_hash_of_former_versions() -> None:
    """A retry that another process answers, in a rolling upgrade, is the same request."""
    request = NewJob("One", [NewScene("A kite", metadata={"a": 1})], idempotency_key="key")
    assert _hash(request) == "48e3082746afcae5c260a00d8c3df740109e980585a2d14ff71740f57db9c3a3"
    assert _hash(NewJob("One", settings={})) != _hash(NewJob("One"))
