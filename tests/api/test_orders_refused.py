"""What a model cannot do is refused at every door before anything is bought, and nothing changes."""

from collections.abc import Iterator

import pytest

from tests.support import jobs
from tests.support.asking import DOORS, Desk, Refusal, a_desk, an_input
from tests.support.client import Json
from tests.support.plain_ids import plain_text
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN, PICKY, LOCAL = "scripted/plain", "scripted/picky", "local/placeholder"


def not_supported(*path: str, allowed: tuple[str, ...] = (), alternatives: tuple[str, ...] = (PLAIN,)) -> Refusal:
    """Return the refusal of the model picky."""
    return Refusal("NotSupportedError", path, PICKY, allowed, alternatives)


def invalid(*path: str) -> Refusal:
    """Return the refusal of a value that is not well-formed."""
    return Refusal("ValidationError", path)


# What is asked of the model picky, and what is refused. The alternatives are those of the job's provider.
CASES: dict[str, tuple[Json, list[Refusal]]] = {
    "length": ({"durationSeconds": 5}, [not_supported("durationSeconds", allowed=("4", "8"))]),
    "prompt": ({"prompt": "x" * 101}, [not_supported("prompt", allowed=("at most 100",))]),
    "aspect ratio": (
        {"settings": {"aspectRatio": "1:1"}},
        [not_supported("settings", "aspectRatio", allowed=("16:9", "9:16"))],
    ),
    "resolution": (
        {"settings": {"resolution": "P360"}},
        [not_supported("settings", "resolution", allowed=("P720", "P1080"))],
    ),
    "seed": ({"settings": {"seed": 0}}, [not_supported("settings", "seed")]),
    "negative prompt": ({"settings": {"negativePrompt": "rain"}}, [not_supported("settings", "negativePrompt")]),
    "audio": ({"settings": {"audio": True}}, [not_supported("settings", "audio", allowed=("false",))]),
    "unknown option": (
        {"settings": {"options": {"colour": 1}}},
        [not_supported("settings", "options", allowed=("strength", "style"))],
    ),
    "value of an option": (
        {"settings": {"options": {"strength": 2}}},
        [not_supported("settings", "options", "strength")],
    ),
    "role": (
        {"inputs": [an_input("SOURCE_VIDEO")]},
        [not_supported("inputs", "0", "role", allowed=("FIRST_FRAME", "LAST_FRAME", "REFERENCE"))],
    ),
    "number of references": (
        {"inputs": [an_input("REFERENCE"), an_input("REFERENCE"), an_input("REFERENCE")]},
        [not_supported("inputs", "2", "role", allowed=("at most 2",))],
    ),
    "roles that exclude each other": (
        {"inputs": [an_input("LAST_FRAME"), an_input("REFERENCE")]},
        [not_supported("inputs", "1", "role", allowed=("FIRST_FRAME",))],
    ),
    "several at once": (
        {"settings": {"seed": 1, "aspectRatio": "1:1"}},
        [not_supported("settings", "aspectRatio", allowed=("16:9", "9:16")), not_supported("settings", "seed")],
    ),
    "model": (
        {"settings": {"model": "scripted/unknown", "seed": 1}},
        [
            Refusal(
                "NotSupportedError",
                ("settings", "model"),
                "scripted/unknown",
                (PLAIN, PICKY, "scripted/gone"),
                (PLAIN,),
            )
        ],
    ),
    "model of another provider": (
        {"settings": {"model": LOCAL}},
        [
            Refusal(
                "NotSupportedError",
                ("settings", "model"),
                LOCAL,
                (PLAIN, PICKY, "scripted/gone"),
                (PLAIN, PICKY),
            )
        ],
    ),
    "malformed ratio": ({"settings": {"aspectRatio": "16 by 9"}}, [invalid("settings", "aspectRatio")]),
    "seed that is too large": ({"settings": {"seed": 2**32}}, [invalid("settings", "seed")]),
    "empty negative prompt": ({"settings": {"negativePrompt": " "}}, [invalid("settings", "negativePrompt")]),
    "options that are too large": ({"settings": {"options": {"a": "x" * 17_000}}}, [invalid("settings", "options")]),
    "two first frames": (
        {"inputs": [an_input("FIRST_FRAME"), an_input("FIRST_FRAME")]},
        [invalid("inputs", "1", "role")],
    ),
    "one name twice": (
        {"inputs": [an_input("REFERENCE", name="a"), an_input("REFERENCE", name="a")]},
        [invalid("inputs", "1", "name")],
    ),
    "neither asset nor take": ({"inputs": [{"role": "REFERENCE"}]}, [invalid("inputs", "0")]),
    "both asset and take": ({"inputs": [an_input("REFERENCE", assetId="asset_1")]}, [invalid("inputs", "0")]),
    "picture of an asset": (
        {"inputs": [{"role": "REFERENCE", "assetId": "asset_1", "atSeconds": 1}]},
        [invalid("inputs", "0", "atSeconds")],
    ),
    "second before the first": (
        {"inputs": [an_input("REFERENCE", atSeconds=-0.5)]},
        [invalid("inputs", "0", "atSeconds")],
    ),
    "sound of a take": ({"inputs": [an_input("REFERENCE_AUDIO")]}, [invalid("inputs", "0", "role")]),
    "too many inputs": ({"inputs": [an_input("REFERENCE")] * 17}, [invalid("inputs")]),
}
# These doors share their checks with others, which meet every case; here it is seen that they ask for them.
SHARED_CHECKS = ("updateScenes, dry run", "POST regenerate")
A_FEW = ("prompt", "value of an option", "roles that exclude each other", "several at once", "model", "one name twice")


def pairs() -> Iterator[tuple[str, str]]:
    """Yield the doors with their cases. A regenerate takes no length."""
    for door in DOORS:
        for case in A_FEW if door in SHARED_CHECKS else CASES:
            if case != "length" or "regenerate" not in door:
                yield door, case


async def _everything(app: App) -> object:
    return await app.execute(
        "{ jobs(includeDeleted: true) { totalCount nodes { id version scenes { nodes { id version prompt } } } } }"
    )


@pytest.fixture(scope="module")
def desks() -> dict[str, Desk]:
    """The job that all requests of a server are about, made by the first of them."""
    return {}


@pytest.mark.parametrize(("door", "case"), list(pairs()), ids=plain_text)
async def test_what_does_not_fit_is_refused_with_what_would(
    shared: App, desks: dict[str, Desk], door: str, case: str
) -> None:
    """The place, what would be accepted there, and the models that could do all that is asked."""
    if not desks:
        desks["desk"] = await a_desk(shared)
    fields, refusals = CASES[case]
    before = await _everything(shared)
    found = await DOORS[door](shared, desks["desk"], {"prompt": "A kite", "durationSeconds": 4, **fields})
    assert [each._replace(alternatives=()) for each in found] == [each._replace(alternatives=()) for each in refusals]
    # A new job may have another provider.
    elsewhere = {LOCAL} if door == "createJob" else set[str]()
    for each, wanted in zip(found, refusals, strict=True):
        assert set(each.alternatives) - elsewhere == set(wanted.alternatives)
    assert await _everything(shared) == before


async def test_settings_of_a_job_are_checked_with_its_scenes(shared: App) -> None:
    """When they are changed: the scenes that would no longer fit are named by their places."""
    made = await jobs.make(shared, *({"prompt": "A kite", "durationSeconds": seconds} for seconds in (4, 5, 8, 60)))
    fields = "errors { code path ... on NotSupportedError { model allowed } } job { version }"
    payload = await shared.mutate("updateJob", fields, jobId=made.id, settings={"model": PICKY})
    assert payload["job"] is None
    assert [(each["code"], each["path"], each["model"], each["allowed"]) for each in payload["errors"]] == [
        ("NOT_SUPPORTED", ["input", "scenes", str(index), "durationSeconds"], PICKY, ["4", "8"]) for index in (1, 3)
    ]
    payload = await shared.mutate("updateJob", fields, jobId=made.id, settings={"model": PICKY, "seed": 3})
    assert [each["path"] for each in payload["errors"]] == [["input", "settings", "seed"]]
    assert (await jobs.job(shared, made.id, "version settings { model }")) == {
        "version": made.version,
        "settings": {"model": None},
    }


async def test_settings_of_a_new_job_are_refused_once(shared: App) -> None:
    """Not again for each of its scenes."""
    scenes = [{"prompt": "A kite", "durationSeconds": 4}] * 3
    fields = "errors { code path } job { id }"
    payload = await shared.mutate("createJob", fields, title="One", settings={"model": PICKY, "seed": 3}, scenes=scenes)
    assert payload["errors"] == [{"code": "NOT_SUPPORTED", "path": ["input", "settings", "seed"]}]


async def test_external_workers_may_have_any_model(shared: App) -> None:
    """Only the form of settings is checked, as their models are not known."""
    settings = {"model": "ours/any", "aspectRatio": "3:7", "seed": 1, "audio": True, "options": {"steps": 3}}
    made = await jobs.make(shared, {"prompt": "A kite", "durationSeconds": 60}, provider="external", settings=settings)
    found = await jobs.job(shared, made.id, "settings { model } scenes { nodes { settings { model options } } }")
    assert found == {
        "settings": {"model": "ours/any"},
        "scenes": {"nodes": [{"settings": {"model": "ours/any", "options": {"steps": 3}}}]},
    }


async def test_provider_is_that_of_the_model(shared: App) -> None:
    """When a new job names none; a length that is left out is the nearest of the model."""
    made = await jobs.make(shared, {"prompt": "A kite"}, settings={"model": PICKY})
    found = await jobs.job(shared, made.id, "provider scenes { nodes { durationSeconds } }")
    assert found == {"provider": "scripted", "scenes": {"nodes": [{"durationSeconds": 4.0}]}}
    made = await jobs.make(shared, {"prompt": "A kite"}, settings={"model": LOCAL})
    assert (await jobs.job(shared, made.id, "provider"))["provider"] == "local"
