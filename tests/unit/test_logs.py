"""Log records in both formats: the text of development and the JSON lines of production."""

import json
import logging
import os
import sys
from datetime import UTC, datetime

import pytest

from server.log_formats import JsonFormatter, TextFormatter

AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def log_record(
    message: str, *, name: str = "server.auth.jwks", error: bool = False, **extra: object
) -> logging.LogRecord:
    """A WARNING of a fixed time; `error` adds the exception that is being handled."""
    exc_info = sys.exc_info() if error else None
    record = logging.getLogger(name).makeRecord(name, logging.WARNING, "", 0, message, (), exc_info, extra=extra)
    record.created = AT.timestamp()
    return record


def raised_record(message: str) -> logging.LogRecord:
    """A record with the traceback of a ValueError."""
    try:
        raise ValueError("no such thing")
    except ValueError:
        return log_record(message, error=True, action="render.defect", scene="scene_1")


def test_text_record_shows_action_and_every_id() -> None:
    """In one line; values that hold spaces or line breaks are quoted."""
    record = log_record("No keys", action="jwks.unavailable", job="job_1", run=3, path=["a"], reason="x\ny = 1")
    assert TextFormatter().format(record) == (
        f"2026-03-01T12:00:00.250Z WARNING [{os.getpid()}] server.auth.jwks: [jwks.unavailable] No keys "
        "job=job_1 run=3 path=\"['a']\" reason='x\\ny = 1'"
    )


def test_text_record_without_action_is_one_line() -> None:
    """Records of libraries have no action."""
    record = log_record("Invalid HTTP request received.", name="uvicorn.error")
    expected = f"2026-03-01T12:00:00.250Z WARNING [{os.getpid()}] uvicorn.error: Invalid HTTP request received."
    assert TextFormatter().format(record) == expected


def test_text_record_on_a_terminal_has_colors() -> None:
    """ANSI escape codes around the same text."""
    colored = TextFormatter(colors=True).format(log_record("No keys", action="jwks.unavailable"))
    assert colored.startswith("\x1b[")
    assert "jwks.unavailable" in colored


def test_json_record_has_action_and_every_id() -> None:
    """As members of one object in one line; an extra that is None is left out."""
    record = log_record("No\nkeys", action="jwks.unavailable", job="job_1", run=3, request_id=None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "timestamp": "2026-03-01T12:00:00.250Z",
        "level": "WARNING",
        "logger": "server.auth.jwks",
        "pid": os.getpid(),
        "action": "jwks.unavailable",
        "message": "No\nkeys",
        "job": "job_1",
        "run": 3,
    }


def test_traceback_of_text_record_follows_its_line() -> None:
    """Without the values of local variables, which may be secrets."""
    first, *rest = TextFormatter().format(raised_record("Defect")).splitlines()
    assert first.endswith("[render.defect] Defect scene=scene_1")
    assert (rest[0], rest[-1]) == ("Traceback (most recent call last):", "ValueError: no such thing")


def test_traceback_of_json_record_is_text() -> None:
    """In the member `exception`."""
    parsed = json.loads(JsonFormatter().format(raised_record("Defect")))
    assert (parsed["message"], parsed["scene"]) == ("Defect", "scene_1")
    assert parsed["exception"].startswith("Traceback (most recent call last):")
    assert parsed["exception"].endswith("ValueError: no such thing")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_extras_of_library_record_are_not_logged(formatter: logging.Formatter) -> None:
    """They may hold requests or connections."""
    record = log_record("Started", name="uvicorn.error", color_message="swordfish", websocket="swordfish")
    assert "swordfish" not in formatter.format(record)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("text", ["a\nb", "a\u2028b", "a\x9bb", "a\udc80b"], ids=["newline", "separator", "c1", "lone"])
def test_extra_of_a_record_never_starts_a_new_line_or_a_control_sequence(
    formatter: logging.Formatter, text: str
) -> None:
    """Its text may come from a client."""
    line = formatter.format(log_record("Rejected", action="origin.rejected", origin=text))
    assert line.isprintable()


def test_json_record_shows_a_value_of_any_type() -> None:
    """By its representation, where JSON has no such type."""
    line = JsonFormatter().format(log_record("Seen", action="seen", at=AT, ids={1}))
    assert (json.loads(line)["at"], json.loads(line)["ids"]) == (repr(AT), "{1}")
