"""Settings and inputs of scenes as they are stored, how the levels of settings fold into one, and what is well-formed.

Stored settings have the names of `providers.catalogue.Settings` in snake_case, and no nulls. A stored input has `role`,
and as far as they are given `name`, `asset_id` or `take_id`, and `at_seconds`.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from models.domain.rules import PROMPT_CHARACTERS, TITLE_CHARACTERS, Problems

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = dict[str, Any]
Stored = Mapping[str, Any] | None

NAMES: Mapping[str, str] = {
    "model": "model",
    "aspect_ratio": "aspectRatio",
    "resolution": "resolution",
    "seed": "seed",
    "negative_prompt": "negativePrompt",
    "audio": "audio",
    "options": "options",
}
"""The stored names of settings, and those in the API."""

LARGEST_SEED = 2**32 - 1
# A width to a height, or a word of the model such as "adaptive".
_RATIO = re.compile(r"[1-9]\d{0,4}(\.\d{1,3})?:[1-9]\d{0,4}(\.\d{1,3})?|[a-z][a-z_]{1,30}", re.ASCII)
INPUTS_PER_SCENE = 16
# Only references may be several.
SINGLE_ROLES = ("FIRST_FRAME", "LAST_FRAME", "SOURCE_VIDEO", "REFERENCE_AUDIO")
# Those that a picture can have, and so one of another take.
PICTURE_ROLES = frozenset({"FIRST_FRAME", "LAST_FRAME", "REFERENCE"})


def folded(*levels: Stored) -> Json:
    """Return the settings of several levels as one: each setting is that of the first level that has it."""
    found: Json = {}
    for level in levels:
        for name, value in (level or {}).items():
            found.setdefault(name, value)
    return found


def edited(own: Stored, edit: Stored) -> Json | None:
    """Return the settings after an edit: null takes a setting away, and an edit that is None takes all away."""
    if edit is None:
        return None
    after = dict(own or {}) | dict(edit)
    return {name: value for name, value in after.items() if value is not None} or None


def stored(settings: "DataclassInstance") -> Json:
    """Return a `providers.catalogue.Settings` as it is stored."""
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    return {name: value for name, value in values.items() if value is not None and value != {}}


def without_provider(provider: str, settings: Stored) -> Json | None:
    """Return settings whose model, which may be given by its id, has the name without the provider."""
    if not settings or settings.get("model") is None:
        return None if settings is None else dict(settings)
    return dict(settings) | {"model": settings["model"].removeprefix(f"{provider}/")}


def check(problems: Problems, settings: Stored, path: Sequence[str]) -> None:
    """Add what is not well-formed in settings. Whether a model can do it is another matter."""
    given = {name: value for name, value in (settings or {}).items() if value is not None}
    if "model" in given:
        problems.text(given["model"], [*path, "model"], max_characters=TITLE_CHARACTERS)
        if given["model"].rstrip().endswith("/"):
            problems.add("model must have a name after that of its provider.", [*path, "model"])
    if "aspect_ratio" in given and not _RATIO.fullmatch(given["aspect_ratio"]):
        problems.add("aspectRatio must be a width to a height, such as 16:9.", [*path, "aspectRatio"])
    if "negative_prompt" in given:
        problems.text(
            given["negative_prompt"], [*path, "negativePrompt"], max_characters=PROMPT_CHARACTERS, multiline=True
        )
    if not 0 <= given.get("seed", 0) <= LARGEST_SEED:
        problems.add(f"seed must be from 0 to {LARGEST_SEED}.", [*path, "seed"])
    if "options" in given:
        problems.json_object(given["options"], [*path, "options"])


def check_inputs(problems: Problems, inputs: Sequence[Mapping[str, Any]] | None, path: Sequence[str]) -> None:
    """Add what is not well-formed in the inputs of a scene."""
    if inputs is None:
        return
    if len(inputs) > INPUTS_PER_SCENE:
        problems.add(f"A scene has at most {INPUTS_PER_SCENE} inputs.", path)
        return
    roles = Counter[str]()
    names = Counter[str]()
    for index, given in enumerate(inputs):
        _check_input(problems, given, [*path, str(index)])
        role, name = given["role"], given.get("name")
        roles[role] += 1
        if role in SINGLE_ROLES and roles[role] == 2:
            problems.add(f"A scene has at most one input of the role {role}.", [*path, str(index), "role"])
        if name is not None:
            names[name] += 1
            if names[name] == 2:
                problems.add("Another input of the scene has this name.", [*path, str(index), "name"])


def _check_input(problems: Problems, given: Mapping[str, Any], path: Sequence[str]) -> None:
    if given.get("name") is not None:
        problems.text(given["name"], [*path, "name"], max_characters=TITLE_CHARACTERS)
    of_take = given.get("take_id") is not None
    if of_take == (given.get("asset_id") is not None):
        problems.add("An input is either an asset or a take: give exactly one of assetId and takeId.", path)
        return
    if of_take and given["role"] == "REFERENCE_AUDIO":
        problems.add("A take gives a picture or its clip, not a sound; give an asset.", [*path, "role"])
    seconds = given.get("at_seconds")
    if seconds is None:
        return
    if not of_take or given["role"] not in PICTURE_ROLES:
        problems.add("atSeconds goes with takeId, in a role of pictures.", [*path, "atSeconds"])
    elif not math.isfinite(seconds) or seconds < 0:
        problems.add("atSeconds must be 0 or more.", [*path, "atSeconds"])


def stored_inputs(inputs: Sequence[Mapping[str, Any]] | None) -> list[Json] | None:
    """Return inputs as they are stored."""
    kept = [{name: value for name, value in given.items() if value is not None} for given in inputs or ()]
    return kept or None


def refs(inputs: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Return the ids of the assets and takes that inputs name, each once."""
    return list(dict.fromkeys(cast("str", given.get("asset_id") or given["take_id"]) for given in inputs or ()))
