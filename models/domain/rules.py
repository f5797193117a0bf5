"""What a field may hold. A check collects every problem of a request, so that a form can show all of them at once."""

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
SCENES_A_JOB = 200
DURATION_SECONDS = (0.5, 60.0)
DEFAULT_DURATION_SECONDS = 5.0

_LINE_BREAKS = "\n\r\t"
# They turn round what is written after them, in every line that shows it ("Trojan Source"). Unicode itself advises
# against the first group (UAX 9, 2.1 and 2.2); the isolates have their use in a text, none in a name.
_OVERRIDES = frozenset(range(0x202A, 0x202F))
_ISOLATES = frozenset(range(0x2066, 0x206A))
# An even number of backslashes before it are backslashes of the text, which spells an escape and holds no NUL.
_ENCODED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Path = Sequence[str]


class Problems:
    """Collects refusals; `check()` raises them together."""

    def __init__(self) -> None:
        self.found: list[DomainError] = []

    def add(self, message: str, path: Path, code: ErrorCode = ErrorCode.VALIDATION_FAILED) -> None:
        """Note one problem."""
        self.found.append(Invalid(message, path, code))

    def add_error(self, error: DomainError) -> None:
        """Note one problem that has an error of its own."""
        self.found.append(error)

    def check(self) -> None:
        """Raise DomainErrors when anything was noted."""
        if self.found:
            raise DomainErrors(self.found)

    def text(self, value: str | None, path: Path, *, most: int, lines: bool = False, needed: bool = True) -> None:
        """A text for people: not blank when needed, at most `most` characters, none that controls or reverses."""
        name = path[-1]
        if value is None:
            if needed:
                self.add(f"{name} cannot be null.", path)
        elif needed and not value.strip():
            self.add(f"{name} is empty.", path)
        elif len(value) > most:
            self.add(f"{name} is longer than {most} characters.", path)
        elif not _printable(value, lines=lines):
            self.add(f"{name} contains a control character or a broken surrogate.", path)
        elif _turns(value, lines=lines):
            self.add(f"{name} contains a character that reverses what follows it.", path)

    def title(self, value: str | None, path: Path, *, needed: bool) -> None:
        """The title of a job (needed), or of a scene, which may have none but not an empty one."""
        if needed or value is not None:
            self.text(value, path, most=TITLE_CHARACTERS)

    def prompt(self, value: str | None, path: Path) -> None:
        """The prompt of a scene; it may have several lines."""
        self.text(value, path, most=PROMPT_CHARACTERS, lines=True)

    def duration(self, value: float | None, path: Path) -> None:
        """The length asked for, in seconds."""
        least, most = DURATION_SECONDS
        if value is None or not math.isfinite(value) or not least <= value <= most:
            self.add(f"durationSeconds must be from {least} to {most:g} seconds.", path)

    def percentage(self, value: float | None, path: Path) -> None:
        """A share of the work done."""
        if value is None or not math.isfinite(value) or not 0 <= value <= 100:
            self.add("percentage must be from 0 to 100.", path)

    def metadata(self, value: Mapping[str, Any] | None, path: Path) -> None:
        """A JSON object of at most 16 KiB, in UTF-8 and without white space."""
        if value is None:
            self.add("metadata cannot be null; give {} to empty it.", path)
            return
        try:
            # The standard library refuses NaN, orjson what could not be sent out again: surrogates, huge integers.
            json.dumps(value, allow_nan=False)
            encoded = orjson.dumps(value)
        except (ValueError, TypeError, RecursionError):
            self.add("metadata holds a value that JSON cannot carry.", path)
            return
        if len(encoded) > METADATA_BYTES:
            self.add(f"metadata is larger than {METADATA_BYTES // 1024} KiB.", path)
        elif _ENCODED_NUL.search(encoded):
            self.add("metadata contains a NUL character.", path)

    def url(self, value: str | None, path: Path) -> None:
        """The address of a clip that somebody else keeps."""
        name = path[-1]
        self.text(value, path, most=URL_CHARACTERS)
        if value is None or (self.found and self.found[-1].path == list(path)):
            return
        try:
            parts = urlsplit(value)
            proper = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            proper = False
        if not proper or any(character.isspace() for character in value):
            self.add(f"{name} must be an http or https address.", path)

    def key(self, value: str | None, path: Path) -> None:
        """An idempotency key; it may be left out."""
        if value is not None:
            self.text(value, path, most=KEY_CHARACTERS)


def too_many_scenes(path: Path) -> Invalid:
    """Return the refusal of more scenes than a job can have."""
    return Invalid(f"A job has at most {SCENES_A_JOB} scenes.", path, ErrorCode.LIMIT_EXCEEDED)


def _turns(value: str, *, lines: bool) -> bool:
    codes = frozenset(map(ord, value))
    return not codes.isdisjoint(_OVERRIDES if lines else _OVERRIDES | _ISOLATES)


def _printable(value: str, *, lines: bool) -> bool:
    for character in value:
        code = ord(character)
        if code < 0x20 and not (lines and character in _LINE_BREAKS):
            return False
        if 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
            return False
    return True
