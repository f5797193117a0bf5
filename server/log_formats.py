"""The two formats of log records: one JSON object per line (library python-json-logger), and a line of text.

A record with an action is one of this program: its extra attributes are part of the line. Those of the records of
libraries may hold requests, and are left out.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

_LEVEL_WIDTH: Final = 7
# `message`, `asctime` and `taskName` are set later, or by newer versions of Python.
_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
# Shown in each line of a request, also in those of libraries.
_TRACE: Final = ("trace_id", "span_id")
_HIDDEN: Final = frozenset({*_STANDARD, *_TRACE, "action"})
_ORJSON: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_AMBIGUOUS: Final = frozenset(" =\"'")


class JsonFormatter(BaseJsonFormatter):
    """Formats a record as one JSON object in one line of ASCII; its exception is the text of the traceback."""

    def __init__(self) -> None:
        super().__init__(json_serializer=_serialized)  # pyright: ignore[reportUnknownMemberType] # untyped arguments

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: the fields in the order in which they are shown, without those that are None.

        The library's own method makes two copies of all fields, which takes longer than all else around a request.
        """
        attributes = vars(record)
        fields: dict[str, Any] = {
            "timestamp": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
        }
        if "action" in attributes:
            fields["action"] = attributes["action"]
        fields["message"] = record.getMessage()
        fields.update(_extras(attributes))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return self.serialize_log_record(fields)


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
        for name, value in _extras(vars(record)):
            line += f" {self._cyan}{name}{reset}={self._magenta}{_quoted(value)}{reset}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _timestamp(record: logging.LogRecord) -> str:
    """Return the time in UTC with milliseconds (RFC 3339)."""
    return f"{datetime.fromtimestamp(record.created, UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def _extras(attributes: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the attributes that a call of this program added, without those that are None, and the ids of the trace."""
    if "action" in attributes:
        for name, value in attributes.items():
            if value is not None and name not in _HIDDEN:
                yield name, value
    for name in _TRACE:
        if name in attributes:
            yield name, attributes[name]


def _serialized(fields: dict[str, Any], **_: object) -> str:
    """Return JSON in ASCII, so that no text of a client begins a line or a control sequence."""
    try:
        line = orjson.dumps(fields, default=repr, option=_ORJSON)
    except TypeError:  # lone surrogates, and numbers of more than 64 bits
        return json.dumps(fields, default=repr)
    return line.decode() if line.isascii() else json.dumps(fields, default=repr)


def _quoted(value: object) -> str:
    """Return the value as it is, or quoted when it could be read as more than one value or more than one line."""
    text = str(value)
    return text if text and text.isprintable() and _AMBIGUOUS.isdisjoint(text) else repr(text)
