"""The two formats of log records: one JSON object per line (library python-json-logger), and a line of text.

A record with an action is one of this program: its extra attributes are part of the line. Those of the records of
libraries may hold requests, and are left out.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

_LEVEL_WIDTH: Final = 7
# `message`, `asctime` and `taskName` are set later, or by newer versions of Python.
_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_AMBIGUOUS: Final = frozenset(" =\"'")


class JsonFormatter(BaseJsonFormatter):
    """Formats a record as one JSON object in one line of ASCII; its exception is the text of the traceback."""

    def __init__(self) -> None:
        super().__init__(json_default=repr)  # pyright: ignore[reportUnknownMemberType] # its arguments are untyped

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Add the fields of the line in the order in which they are shown; without those that are None."""
        fields: dict[str, object] = {
            "timestamp": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "action": getattr(record, "action", None),
            "message": record.message,
            **dict(_extras(record)),
            "exception": message_dict.get("exc_info"),
        }
        log_data.update((name, value) for name, value in fields.items() if value is not None)


class TextFormatter(logging.Formatter):
    """Formats a record as `TIME LEVEL [PID] LOGGER: [ACTION] MESSAGE key=value ...`; a traceback follows it.

    With `colors`, parts of the line have ANSI styles.
    """

    def __init__(self, *, colors: bool = False) -> None:
        super().__init__()
        self._faint, self._bold, self._blue, self._cyan, self._magenta, self._reset = (
            ("\x1b[2m", "\x1b[1m", "\x1b[34m", "\x1b[36m", "\x1b[35m", "\x1b[0m") if colors else ("",) * 6
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the lines of the traceback."""
        reset = self._reset
        action = getattr(record, "action", None)
        line = (
            f"{self._faint}{_timestamp(record)}{reset} {self._bold}{record.levelname:{_LEVEL_WIDTH}}{reset} "
            f"[{self._faint}{record.process}{reset}] {self._blue}{record.name}{reset}: "
            f"{'' if action is None else f'[{self._cyan}{action}{reset}] '}"
            f"{self._bold}{record.getMessage()}{reset}"
        )
        for name, value in _extras(record):
            line += f" {self._cyan}{name}{reset}={self._magenta}{_quoted(value)}{reset}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _timestamp(record: logging.LogRecord) -> str:
    """Return the time in UTC with milliseconds (RFC 3339)."""
    return f"{datetime.fromtimestamp(record.created, UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def _extras(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """Yield the attributes that a call of this program added, without those that are None."""
    if hasattr(record, "action"):
        for name, value in vars(record).items():
            if value is not None and name not in _STANDARD and name != "action":
                yield name, value


def _quoted(value: object) -> str:
    """Return the value as it is, or quoted when it could be read as more than one value or more than one line."""
    text = str(value)
    return text if text and text.isprintable() and _AMBIGUOUS.isdisjoint(text) else repr(text)
