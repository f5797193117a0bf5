"""JSON decoding and encoding.

Decoding is strict and uses the standard library: RFC 8259 has no NaN, and infinite numbers and lone surrogates can be
neither stored nor sent. Encoding uses orjson, which is several times faster.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

NESTING_LEVELS = 200  # orjson encodes up to 254
_TOO_DEEP = "is nested too deeply"
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class InvalidJSON(ValueError):
    """The input is not JSON, or JSON that the server does not accept. The text completes "The request …"."""


def decode(raw: str | bytes | bytearray) -> object:
    """Return the JSON value. Raises InvalidJSON unless the input is one accepted JSON value in UTF-8."""
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        value: object = _DECODER.decode(text)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise InvalidJSON(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise InvalidJSON(f"is not valid JSON: {error}") from None
    except UnicodeDecodeError:
        raise InvalidJSON("is not UTF-8") from None
    except UnicodeEncodeError:
        raise InvalidJSON("contains an unpaired surrogate") from None
    except ValueError:
        raise InvalidJSON("contains a number that is out of range") from None
    if text.count("[") + text.count("{") > NESTING_LEVELS and _is_deeper(value, NESTING_LEVELS):
        raise InvalidJSON(_TOO_DEEP)
    return value


def encode(value: object) -> bytes:
    """Return compact JSON. The standard library encodes what orjson rejects, such as integers over 64 bits."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_value_of_fragment).encode()


def _value_of_fragment(value: object) -> object:
    """Return the value of a part that is encoded already (`execution.fragments`)."""
    if isinstance(value, orjson.Fragment):
        return json.loads(orjson.dumps(value))
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _is_deeper(value: object, levels: int) -> bool:
    """Return whether lists and objects are nested more deeply. The decoder makes no subclasses of them."""
    level: list[Any] = [value] if type(value) in _CHILDREN else []
    for _ in range(levels):
        level = [child for parent in level for child in _CHILDREN[type(parent)](parent) if type(child) in _CHILDREN]
        if not level:
            return False
    return True


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _reject_constant(name: str) -> float:
    raise ValueError(name)


_CHILDREN: Mapping[type, Callable[[Any], Iterable[Any]]] = {dict: dict[str, Any].values, list: list[Any].__iter__}
_DECODER = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_finite)
