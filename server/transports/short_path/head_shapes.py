"""The shape of a request's head: its bytes without the values that differ although nothing is decided by them.

These are the length of the body, the id of the request, and those of traces. A value that is not written in the usual
way (more than one space before it, other characters than printable ASCII) stays a part of the shape.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

LENGTH: Final = b"content-length"
REQUEST_ID: Final = b"x-request-id"
TRACE_PARENT: Final = b"traceparent"
TRACE_STATE: Final = b"tracestate"
# https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/ and Sentry's clients.
VARYING: Final = frozenset({LENGTH, REQUEST_ID, TRACE_PARENT, TRACE_STATE, b"baggage", b"sentry-trace"})

_LINE: Final = re.compile(
    rb"\r\n(" + b"|".join(sorted(VARYING)) + rb"): ([!-~](?:[ -~]*[!-~])?)(?=\r\n)", re.IGNORECASE
)
_UNIQUE: Final = (LENGTH, REQUEST_ID, TRACE_PARENT, TRACE_STATE)
# Before the field, its name and its value, and behind it.
_PARTS_OF_ONE: Final = 4

Shape = tuple[bytes, ...]
"""The bytes before, between and behind the values, and the names of the fields."""


class ShapedHead(NamedTuple):
    """A head, by its shape and the values that are not part of it."""

    shape: Shape
    length: bytes | None
    request_id: str | None
    traceparent: str | None = None
    tracestate: str | None = None


def shaped(head: bytes) -> ShapedHead | None:
    """Return the head by its shape; None when a field that must be unique occurs twice."""
    parts = _LINE.split(head)
    if len(parts) == _PARTS_OF_ONE and parts[1].lower() == LENGTH:
        # What most clients send.
        return ShapedHead((parts[0], parts[3], LENGTH), parts[2], None)
    names = [name.lower() for name in parts[1::3]]
    if any(names.count(name) > 1 for name in _UNIQUE):
        return None
    values = dict(zip(names, parts[2::3], strict=True))
    shape = (*parts[::3], *names)
    request_id, traceparent, tracestate = (_text(values.get(name)) for name in (REQUEST_ID, TRACE_PARENT, TRACE_STATE))
    return ShapedHead(shape, values.get(LENGTH), request_id, traceparent, tracestate)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("ascii")


def without_varying(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers without the fields whose values are not part of a shape."""
    return [pair for pair in headers if pair[0] not in VARYING]
