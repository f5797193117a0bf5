"""The options of an order, which must fit the JSON schema of its model."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from models.lazy_import import lazily

if TYPE_CHECKING:
    import jsonschema_rs
else:
    # It is large, and needed only where options are given.
    jsonschema_rs = lazily("jsonschema_rs")

VALIDATORS = 64
MOST_PROBLEMS = 5
# Of a regular expression in a schema that others wrote: so many steps back, then the text does not match.
BACKTRACKS = 100_000


class Problem(NamedTuple):
    """What is wrong at a place in the options."""

    path: tuple[str, ...]
    message: str


def problems(schema: Mapping[str, Any], options: Mapping[str, Any]) -> Sequence[Problem]:
    """Return what does not fit the schema, the first few problems only; a schema that is invalid accepts nothing."""
    validator = _validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    if validator is None:
        return [Problem((), "The options of the model cannot be checked: its schema is invalid.")]
    found: list[Problem] = []
    for error in validator.iter_errors(dict(options)):
        found.append(Problem(tuple(str(part) for part in error.instance_path), _sentence(error.message)))
        if len(found) == MOST_PROBLEMS:
            break
    return found


@lru_cache(VALIDATORS)
def _validator(schema: bytes) -> "jsonschema_rs.Validator | None":
    try:
        return jsonschema_rs.validator_for(
            orjson.loads(schema),
            # Neither files nor addresses that a schema refers to are read.
            offline=True,
            # Messages are for people: they quote no value, which may be long.
            mask="the value",
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKS),
        )
    except ValueError:
        return None


def _sentence(message: str) -> str:
    return message if message.endswith(".") else f"{message}."
