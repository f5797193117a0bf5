"""Validation of input fields. All problems of a request are collected, so that a form can show them at once."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from models.domain.errors import DomainError, DomainErrors, ErrorCode, Invalid

TITLE_CHARACTERS = 200
PROMPT_CHARACTERS = 4_000
KEY_CHARACTERS = 200
URL_CHARACTERS = 2_048
CODE_CHARACTERS = 100
MESSAGE_CHARACTERS = 1_000
METADATA_BYTES = 16 * 1024
SCENES_PER_JOB = 200
DURATION_SECONDS = (0.5, 60.0)
DEFAULT_DURATION_SECONDS = 5.0

_LINE_BREAKS = "\n\r\t"
# Bidirectional controls reverse the text after them wherever it is displayed ("Trojan Source"). Unicode advises against
# the first group (UAX 9, 2.1 and 2.2); the isolates are legitimate in multi-line texts, but not in names.
_OVERRIDES = frozenset(range(0x202A, 0x202F))
_ISOLATES = frozenset(range(0x2066, 0x206A))
# The escape of a NUL in JSON; the pairs of backslashes before it are escaped backslashes.
_ENCODED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Path = Sequence[str]


class Problems:
    """Collects the problems of a request; `check()` raises them together."""

    def __init__(self) -> None:
        self.found: list[DomainError] = []

    def add(self, message: str, path: Path, code: ErrorCode = ErrorCode.VALIDATION_FAILED) -> None:
        """Add a problem."""
        self.found.append(Invalid(message, path, code))

    def add_error(self, error: DomainError) -> None:
        """Add a problem that has an error already."""
        self.found.append(error)

    def check(self) -> None:
        """Raise DomainErrors if there are problems."""
        if self.found:
            raise DomainErrors(self.found)

    def text(
        self, value: str | None, path: Path, *, max_characters: int, multiline: bool = False, required: bool = True
    ) -> None:
        """Check a text: not blank if required, not too long, without control and bidirectional characters."""
        name = path[-1]
        if value is None:
            if required:
                self.add(f"{name} cannot be null.", path)
        elif required and not value.strip():
            self.add(f"{name} is empty.", path)
        elif len(value) > max_characters:
            self.add(f"{name} is longer than {max_characters} characters.", path)
        elif not _is_printable(value, multiline=multiline):
            self.add(f"{name} contains a control character or a broken surrogate.", path)
        elif _is_bidirectional(value, multiline=multiline):
            self.add(f"{name} contains a character that reverses what follows it.", path)

    def title(self, value: str | None, path: Path, *, required: bool) -> None:
        """Check the title of a job (required) or of a scene (may be null, but not empty)."""
        if required or value is not None:
            self.text(value, path, max_characters=TITLE_CHARACTERS)

    def prompt(self, value: str | None, path: Path) -> None:
        """Check the prompt of a scene; it may have several lines."""
        self.text(value, path, max_characters=PROMPT_CHARACTERS, multiline=True)

    def duration(self, value: float | None, path: Path) -> None:
        """Check the duration of a scene, in seconds."""
        least, most = DURATION_SECONDS
        if value is None or not math.isfinite(value) or not least <= value <= most:
            self.add(f"durationSeconds must be from {least} to {most:g} seconds.", path)

    def percentage(self, value: float | None, path: Path) -> None:
        """Check a percentage."""
        if value is None or not math.isfinite(value) or not 0 <= value <= 100:
            self.add("percentage must be from 0 to 100.", path)

    def metadata(self, value: Mapping[str, Any] | None, path: Path) -> None:
        """Check metadata: a JSON object."""
        if value is None:
            self.add("metadata cannot be null; give {} to empty it.", path)
        else:
            self.json_object(value, path)

    def json_object(self, value: Mapping[str, Any], path: Path) -> None:
        """Check a JSON object: at most 16 KiB as UTF-8 without white space."""
        name = path[-1]
        try:
            # orjson refuses what could not be sent in an answer: surrogates, huge integers. json refuses NaN, but takes
            # long for a large value.
            encoded = orjson.dumps(value)
            if len(encoded) > METADATA_BYTES:
                self.add(f"{name} is larger than {METADATA_BYTES // 1024} KiB.", path)
                return
            json.dumps(value, allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            self.add(f"{name} holds a value that JSON cannot carry.", path)
            return
        if _ENCODED_NUL.search(encoded):
            self.add(f"{name} contains a NUL character.", path)

    def url(self, value: str | None, path: Path) -> None:
        """Check the URL of a clip that is stored elsewhere."""
        name = path[-1]
        self.text(value, path, max_characters=URL_CHARACTERS)
        if value is None or (self.found and self.found[-1].path == list(path)):
            return
        try:
            parts = urlsplit(value)
            proper = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            has_userinfo = "@" in parts.netloc
        except ValueError:
            proper = has_userinfo = False
        if not proper or any(character.isspace() for character in value):
            self.add(f"{name} must be an http or https address.", path)
        elif has_userinfo:
            self.add(f"{name} must not contain a user name or password: every reader of the scene can see it.", path)

    def key(self, value: str | None, path: Path) -> None:
        """Check an idempotency key; it is optional."""
        if value is not None:
            self.text(value, path, max_characters=KEY_CHARACTERS)


def too_many_scenes(path: Path) -> Invalid:
    """Return the refusal of more scenes than a job can have."""
    return Invalid(f"A job has at most {SCENES_PER_JOB} scenes.", path, ErrorCode.LIMIT_EXCEEDED)


def _is_bidirectional(value: str, *, multiline: bool) -> bool:
    if value.isascii() or value.isprintable():
        # The controls of direction are format characters, which are not printable.
        return False
    codes = frozenset(map(ord, value))
    return not codes.isdisjoint(_OVERRIDES if multiline else _OVERRIDES | _ISOLATES)


def _is_printable(value: str, *, multiline: bool) -> bool:
    if value.isprintable():
        # Neither control characters nor surrogates are (https://docs.python.org/3/library/stdtypes.html#str.isprintable).
        return True
    for character in value:
        code = ord(character)
        if code < 0x20 and not (multiline and character in _LINE_BREAKS):
            return False
        if 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
            return False
    return True
