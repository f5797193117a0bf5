"""The log lines of a server in the process of the test, as it writes them in production."""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from server.log_formats import JsonFormatter
from server.logs import WithTrace

Line = dict[str, Any]


class LogLines(logging.Handler):
    """Collects the lines of some loggers."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(WithTrace())
        self.setFormatter(JsonFormatter())
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.texts.append(self.format(record))

    def all(self) -> list[Line]:
        """Return the lines as objects."""
        return [json.loads(text) for text in self.texts]

    def of(self, action: str) -> list[Line]:
        """Return the lines with an action."""
        return [line for line in self.all() if line.get("action") == action]


@contextmanager
def log_lines(name: str = "scenewire", level: int = logging.INFO) -> Generator[LogLines]:
    """Collect the lines of a logger, and of those below it, inside the block."""
    lines, logger = LogLines(), logging.getLogger(name)
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(level)
    try:
        yield lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)
