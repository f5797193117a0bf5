"""The W3C Trace Context headers with which a provider relates its requests to the trace of a render.

The caller of a provider sets them, and a provider that calls others over HTTP sends them.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_NONE: Final[Mapping[str, str]] = {}
_headers: ContextVar[Mapping[str, str]] = ContextVar("trace_headers", default=_NONE)


def trace_headers() -> Mapping[str, str]:
    """Return the headers of the current task; none outside of a render."""
    return _headers.get()


@contextmanager
def carrying(headers: Mapping[str, str]) -> Generator[None]:
    """Set these headers for requests of the block, and of tasks that it starts."""
    token = _headers.set(headers)
    try:
        yield
    finally:
        _headers.reset(token)
