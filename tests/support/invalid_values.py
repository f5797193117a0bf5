"""Values at and beyond the limits of the API."""

import base64
import json

from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE, UNUSED_SUFFIX

HUGE = 2**64
TOO_MUCH = {"x": "y" * (16 * 1024)}
# 16 KiB to the byte: {"x":"…"} takes eight of them.
JUST_ENOUGH = {"x": "y" * (16 * 1024 - 8)}
BAD_TITLES = {
    "empty": "",
    "blank": " \t\u2003",
    "too long": "x" * 201,
    "NUL": "a\0b",
    "control character": "a\x1bb",
    "line break": "a\nb",
    "C1 control character": "a\x9bb",
}
BAD_PROMPTS = {
    "empty": "",
    "blank": "\n \n",
    "too long": "x" * 4001,
    "NUL": "a\0b",
    "control character": "a\x07b",
    "DEL": "a\x7fb",
}
BAD_DURATIONS = [0.4999, 60.001, 0, -1, 1e308]
BAD_METADATA: dict[str, Json] = {
    "too much": TOO_MUCH,
    "huge integer": {"n": HUGE},
    "huge negative integer": {"n": [-HUGE]},
    "NUL in a value": {"x": ["a\0b"]},
    "NUL in a key": {"a\0b": 1},
}
GOOD_METADATA: list[Json] = [
    {},
    JUST_ENOUGH,
    {"n": [HUGE - 1, -(2**63), 1e308, 0.1, None, True]},
    {"": {"": [[]]}},
]
BAD_IDS = {
    "empty": "",
    "prefix alone": "job_",
    "no prefix": UNUSED_SUFFIX,
    "not base32": "job_" + "u" * 26,
    "out of range": "job_8" + "z" * 25,
    "upper case": NO_JOB.upper(),
    "NUL": NO_JOB + "\0",
    "line break": NO_JOB + "\n",
    "path": "../../etc/passwd",
    "SQL": "' OR 1=1 --",
    "ten kilobytes": "x" * 10_000,
    "of another kind": f"take_{UNUSED_SUFFIX}",
}


def cursor(*parts: object) -> str:
    """Return a cursor that the server has never issued."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


BAD_CURSORS = {
    "empty": "",
    "nonsense": "nonsense",
    "not ASCII": "é",
    "long": "a" * 10_000,
    "not a list": base64.urlsafe_b64encode(b"7").decode(),
    "empty list": cursor(),
    "numbers": cursor("CREATED_AT", 1, 2),
    "without an order": cursor("2026-01-01T00:00:00+00:00", NO_JOB),
    "not an instant": cursor("CREATED_AT", "yesterday", NO_JOB),
    "instant without offset": cursor("CREATED_AT", "2026-01-01T00:00:00", NO_JOB),
    "instant before the first": cursor("CREATED_AT", "0001-01-01T00:00:00+23:59", NO_JOB),
    "instant after the last": cursor("CREATED_AT", "9999-12-31T23:59:59-23:59", NO_JOB),
    "NUL": cursor("CREATED_AT", "2026-01-01T00:00:00+00:00", "\0"),
    "half a surrogate pair": cursor("CREATED_AT", "2026-01-01T00:00:00+00:00", "\ud800"),
    "of scenes": cursor("POSITION", "x", NO_SCENE),
    "nested deeply": base64.urlsafe_b64encode(b"[" * 5000).decode(),
    "huge number": base64.urlsafe_b64encode(b"9" * 5000).decode(),
}
