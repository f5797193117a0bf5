"""Validation of fields: errors name the field and the rule, and are reported all at once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.errors import DomainErrors, ErrorCode
from models.domain.rules import Problems
from tests.support.property_settings import MODEST

PATH = ["input", "field"]
Check = Callable[[Problems], None]

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))


def messages(check: Check) -> list[str]:
    """Return the messages of a check; each error must be a validation error of the path."""
    problems = Problems()
    check(problems)
    assert all(each.path == PATH and each.code is ErrorCode.VALIDATION_FAILED for each in problems.found)
    return [each.message for each in problems.found]


def job_title(value: str | None) -> Check:
    return lambda problems: problems.title(value, PATH, required=True)


def scene_title(value: str | None) -> Check:
    return lambda problems: problems.title(value, PATH, required=False)


def prompt(value: str | None) -> Check:
    return lambda problems: problems.prompt(value, PATH)


def duration(value: float | None) -> Check:
    return lambda problems: problems.duration(value, PATH)


def percentage(value: float | None) -> Check:
    return lambda problems: problems.percentage(value, PATH)


def metadata(value: Any) -> Check:
    return lambda problems: problems.metadata(value, PATH)


def url(value: str | None) -> Check:
    return lambda problems: problems.url(value, PATH)


def key(value: str | None) -> Check:
    return lambda problems: problems.key(value, PATH)


def nested(depth: int) -> dict[str, Any]:
    """Return nested objects."""
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


ACCEPTED: dict[str, Check] = {
    "a title": job_title("A day at the sea"),
    "the longest title": job_title("é" * 200),
    "a scene without a title": scene_title(None),
    "a title of any script": job_title("海の一日 🌊 يوم على البحر"),
    "a title with joined characters": job_title("👩‍👧‍👦 नमस्ते"),
    "the longest prompt": prompt("x" * 4_000),
    "a prompt of several lines": prompt("first\n\tsecond\r\nthird"),
    "the shortest scene": duration(0.5),
    "the longest scene": duration(60),
    "nothing done": percentage(0),
    "everything done": percentage(100),
    "no metadata": metadata({}),
    "rich metadata": metadata({"a": [1, 2.5, None, True, {"é": "ü"}], "b": 2**63 - 1}),
    "the largest metadata": metadata({"a": "x" * (16 * 1024 - len('{"a":""}'))}),
    "metadata that spells a NUL": metadata({"pattern": r"[\u0000-\u001f]"}),
    "an address": url("https://cdn.example.com/clips/1.mp4?signature=a%20b#t=1"),
    "an address without a secret": url("http://localhost:9000/clip.mp4"),
    "an address by number": url("http://[::1]:9000/clip.mp4"),
    "the longest address": url("https://example.com/" + "x" * (2_048 - 20)),
    "no key": key(None),
    "a key": key("3f0c8e6e-0000-4000-8000-000000000000"),
}


@pytest.mark.parametrize("check", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_valid_field_is_accepted(check: Check) -> None:
    """The longest, the most unusual and the shortest values that are valid."""
    assert messages(check) == []


REFUSED: dict[str, tuple[Check, str]] = {
    "no title of a job": (job_title(None), "field cannot be null."),
    "an empty title": (job_title(""), "field is empty."),
    "a blank title": (job_title(" \t\u2003"), "field is empty."),
    "an empty title of a scene": (scene_title(""), "field is empty."),
    "a title that is too long": (job_title("x" * 201), "field is longer than 200 characters."),
    "a title with a NUL": (job_title("a\0b"), "field contains a control character or a broken surrogate."),
    "a title of two lines": (job_title("a\nb"), "field contains a control character or a broken surrogate."),
    "a title with an escape": (job_title("\x1b[31mred"), "field contains a control character or a broken surrogate."),
    "a title with a C1 control": (job_title("a\x9bb"), "field contains a control character or a broken surrogate."),
    "a title with a lone surrogate": (
        scene_title("a\ud83d"),
        "field contains a control character or a broken surrogate.",
    ),
    "no prompt": (prompt(None), "field cannot be null."),
    "a blank prompt": (prompt("\n\n"), "field is empty."),
    "a prompt that is too long": (prompt("x" * 4_001), "field is longer than 4000 characters."),
    "a prompt with a NUL": (prompt("a\0"), "field contains a control character or a broken surrogate."),
    "no duration": (duration(None), "durationSeconds must be from 0.5 to 60 seconds."),
    "too short a scene": (duration(0.49), "durationSeconds must be from 0.5 to 60 seconds."),
    "too long a scene": (duration(60.01), "durationSeconds must be from 0.5 to 60 seconds."),
    "an endless scene": (duration(float("inf")), "durationSeconds must be from 0.5 to 60 seconds."),
    "a duration that is no number": (duration(float("nan")), "durationSeconds must be from 0.5 to 60 seconds."),
    "less than nothing done": (percentage(-0.1), "percentage must be from 0 to 100."),
    "more than everything done": (percentage(100.1), "percentage must be from 0 to 100."),
    "a share that is no number": (percentage(float("nan")), "percentage must be from 0 to 100."),
    "null as metadata": (metadata(None), "metadata cannot be null; give {} to empty it."),
    "metadata that is too large": (metadata({"a": "x" * 16 * 1024}), "field is larger than 16 KiB."),
    "metadata measured in bytes": (metadata({"a": "é" * 8 * 1024}), "field is larger than 16 KiB."),
    "NaN in metadata": (metadata({"a": [float("nan")]}), "field holds a value that JSON cannot carry."),
    "infinity in metadata": (metadata({"a": float("-inf")}), "field holds a value that JSON cannot carry."),
    "a huge integer in metadata": (metadata({"a": 10**30}), "field holds a value that JSON cannot carry."),
    "a surrogate in metadata": (metadata({"a": "\ud800"}), "field holds a value that JSON cannot carry."),
    "a surrogate as a name": (metadata({"\ud800": 1}), "field holds a value that JSON cannot carry."),
    "bottomless metadata": (metadata(nested(100_000)), "field holds a value that JSON cannot carry."),
    "a NUL in metadata": (metadata({"a": "\0"}), "field contains a NUL character."),
    "a NUL after a backslash": (metadata({"a": "\\\0"}), "field contains a NUL character."),
    "a NUL as a name": (metadata({"\0": 1}), "field contains a NUL character."),
    "no address": (url(None), "field cannot be null."),
    "an empty address": (url(""), "field is empty."),
    "an address that is too long": (url("https://a/" + "x" * 2_048), "field is longer than 2048 characters."),
    "a path": (url("/clips/1.mp4"), "field must be an http or https address."),
    "a file": (url("file:///etc/passwd"), "field must be an http or https address."),
    "a script": (url("javascript:alert(1)"), "field must be an http or https address."),
    "an address without a host": (url("https:///clip.mp4"), "field must be an http or https address."),
    "an address with a space": (url("https://example.com/a b"), "field must be an http or https address."),
    "an address with a line break": (
        url("https://example.com/\r\nSet-Cookie: a"),
        "field contains a control character or a broken surrogate.",
    ),
    "a broken address": (url("http://[::1/clip.mp4"), "field must be an http or https address."),
    "a port that is none": (url("http://example.com:99999/"), "field must be an http or https address."),
    "an empty key": (key(""), "field is empty."),
    "a key that is too long": (key("x" * 201), "field is longer than 200 characters."),
}


@pytest.mark.parametrize(("check", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_field_is_refused(check: Check, message: str) -> None:
    """With one sentence that can be shown to a user."""
    assert messages(check) == [message]


def test_all_invalid_fields_are_reported_at_once() -> None:
    """A form can mark all fields after one response."""
    problems = Problems()
    problems.title("", ["input", "title"], required=True)
    problems.prompt("fine", ["input", "prompt"])
    problems.duration(0, ["input", "scenes", "1", "durationSeconds"])
    with pytest.raises(DomainErrors) as refused:
        problems.check()
    paths = [refusal.path for refusal in refused.value.refusals]
    assert paths == [["input", "title"], ["input", "scenes", "1", "durationSeconds"]]


def test_valid_input_raises_no_error() -> None:
    """The list of errors is empty."""
    Problems().check()


@MODEST
@given(texts.filter(lambda text: text.strip() and len(text) <= 200))
def test_any_title_without_control_characters_is_valid(text: str) -> None:
    """In every script."""
    assert messages(job_title(text)) == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@MODEST
@given(st.dictionaries(texts, json_values, max_size=4))
def test_any_small_object_is_valid_metadata(value: dict[str, Any]) -> None:
    """Only metadata over a size limit is refused."""
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) < 15 * 1024:
        assert messages(metadata(value)) == []


@MODEST
@given(st.text())
def test_any_text_in_a_field_is_accepted_or_refused(text: str) -> None:
    """No check raises an unexpected error."""
    for check in (job_title(text), prompt(text), url(text), key(text), metadata({text: text})):
        assert len(messages(check)) <= 1


@MODEST
@given(st.floats())
def test_number_of_a_field_is_valid_only_within_its_range(number: float) -> None:
    """Infinity and NaN are refused as well."""
    assert (messages(duration(number)) == []) == (0.5 <= number <= 60)
    assert (messages(percentage(number)) == []) == (0 <= number <= 100)
