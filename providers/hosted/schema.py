"""JSON schemas of the inputs of models, as OpenAPI descriptions give them: references resolved, nulls left out.

A schema is what others wrote: whatever it holds that is not understood is left out, or left to the model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard, cast

from providers.catalogue import Resolution

# As deep as schemas are read.
DEEPEST = 12
# A larger bound is none.
MOST = 2**64
_SIDE = re.compile(r"(?<!\d)(\d{3,4})\s?p?", re.ASCII | re.IGNORECASE)
_SIDES = {"4k": Resolution.P2160, "uhd": Resolution.P2160, "2k": Resolution.P1440}
_SECONDS = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)\s?(?:s|sec|seconds?)?", re.ASCII | re.IGNORECASE)

Schema = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an input, with its schema."""

    name: str
    schema: Schema
    required: bool = False

    @property
    def type(self) -> str:
        """The JSON type; empty when it is none or several."""
        found = self.schema.get("type")
        return found if isinstance(found, str) else ""

    @property
    def choices(self) -> Sequence[object]:
        """The only values that it takes; empty when there are others."""
        if "const" in self.schema:
            return [self.schema["const"]]
        found = self.schema.get("enum")
        return cast("list[object]", found) if isinstance(found, list) else []

    @property
    def default(self) -> object:
        """Its default; None without one."""
        return self.schema.get("default")

    @property
    def is_file(self) -> bool:
        """Whether a text can be the address of a file."""
        return self.type == "string" and not self.choices

    @property
    def is_list_of_files(self) -> bool:
        """Whether its value is a list of addresses."""
        items = self.schema.get("items")
        return self.type == "array" and is_object(items) and items.get("type") == "string" and "enum" not in items

    def number(self, name: str) -> float | None:
        """Return a bound such as `maximum`; None when there is none."""
        found = self.schema.get(name)
        # Python's parser accepts NaN and Infinity, and integers of any length.
        if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < MOST:
            return None
        return float(found)

    def whole(self, name: str) -> int | None:
        """Return a bound as an integer."""
        found = self.number(name)
        return None if found is None else int(found)


def fields_of(document: Schema, schema: object) -> Mapping[str, Field]:
    """Return the fields of the schema of an object, references to `document` resolved. Raises ValueError."""
    resolved = _resolved(document, schema)
    properties = resolved.get("properties") if is_object(resolved) else None
    if not is_object(resolved) or not is_object(properties):
        raise ValueError("the schema describes no fields")
    required = resolved.get("required")
    names = cast("list[object]", required) if isinstance(required, list) else []
    return {name: Field(name, each, name in names) for name, each in properties.items() if is_object(each)}


def resolution_of(value: object) -> Resolution | None:
    """Return the resolution that a word of a model means, such as "1080p" or "4K"."""
    text = str(value).strip().lower()
    found = _SIDE.fullmatch(text)
    name = f"P{found.group(1)}" if found else ""
    return Resolution(name) if name in Resolution.__members__ else _SIDES.get(text)


def seconds_of(value: object) -> float | None:
    """Return the seconds of a length such as 5, "5" or "8s"; None for other words, such as "auto"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value > 0 else None
    found = _SECONDS.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(found.group(1)) if found else None


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def _resolved(document: Schema, schema: object, depth: int = 0) -> object:
    """Return a schema whose references are replaced, and whose alternatives with null are the other one."""
    if depth > DEEPEST:
        return {}
    if isinstance(schema, list):
        return [_resolved(document, each, depth + 1) for each in cast("list[object]", schema)]
    if not is_object(schema):
        return schema
    found: dict[str, object] = {}
    for name, value in schema.items():
        if name == "$ref":
            found = {**_object(_resolved(document, _at(document, value), depth + 1)), **found}
        elif name == "allOf" and isinstance(value, list):
            for part in cast("list[object]", value):
                found = {**_object(_resolved(document, part, depth + 1)), **found}
        elif name in ("anyOf", "oneOf") and isinstance(value, list):
            parts = [
                each for each in cast("list[object]", value) if not (is_object(each) and each.get("type") == "null")
            ]
            if len(parts) == 1:
                found = {**_object(_resolved(document, parts[0], depth + 1)), **found}
            else:
                found[name] = _resolved(document, parts, depth + 1)
        else:
            found[name] = _resolved(document, value, depth + 1)
    return found


def _at(document: Schema, pointer: object) -> object:
    """Return what a reference within the document points to; an empty schema for any other."""
    value: object = document
    if not isinstance(pointer, str) or not pointer.startswith("#/"):
        return {}
    for step in pointer[2:].split("/"):
        value = value.get(step.replace("~1", "/").replace("~0", "~")) if is_object(value) else None
    return value


def _object(value: object) -> dict[str, object]:
    return value if is_object(value) else {}
