"""The trace to which the current work belongs, as in W3C Trace Context (https://www.w3.org/TR/trace-context/).

A request sets it; log lines, queue entries, calls of providers and webhooks read it. Tasks that a request starts
inherit it.
"""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Final, NamedTuple

from models.domain.ids import unique_bits

LONGEST_STATE: Final = 512  # characters; https://www.w3.org/TR/trace-context/#tracestate-limits

# Versions above 00 may append fields; version ff is invalid, and so are ids of zeros.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_STATE: Final = re.compile(r"[ -~\t]*")
_SAMPLED: Final = 1
_TRACE_BITS: Final = 128
_SPAN_BITS: Final = 64
_SPAN_MASK: Final = (1 << _SPAN_BITS) - 1


class TraceContext(NamedTuple):
    """A span of a trace: ids of 32 and 16 lowercase hexadecimal digits.

    `parent_id` is the span that caused this one, if it is known; `state` is the header `tracestate`, which is passed on
    as it is.
    """

    trace_id: str
    span_id: str
    sampled: bool = True
    state: str = ""
    parent_id: str | None = None

    def header(self) -> str:
        """Return the value of the header `traceparent` with which this span calls another service."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def headers(self) -> dict[str, str]:
        """Return the headers with which this span calls another service."""
        sent = {"traceparent": self.header()}
        return {**sent, "tracestate": self.state} if self.state else sent

    def child(self) -> "TraceContext":
        """Return a new span of the same trace that this one causes."""
        return TraceContext(self.trace_id, _new_span_id(), self.sampled, self.state, self.span_id)


def new() -> TraceContext:
    """Return the first span of a new trace."""
    # The bits of both ids at once: most requests begin a trace.
    bits = unique_bits(_TRACE_BITS + _SPAN_BITS)
    trace_id, span_id = bits >> _SPAN_BITS, bits & _SPAN_MASK
    if not (trace_id and span_id):
        return new()
    return TraceContext(f"{trace_id:032x}", f"{span_id:016x}", _sampling.decide(trace_id))


def sample_by(decide: Callable[[int], bool]) -> None:
    """Let this function decide, by the id of a trace, whether a new trace is sampled. Until then, each one is."""
    _sampling.decide = decide


def parse(header: str | None, state: str | None = None) -> TraceContext | None:
    """Return the span that a `traceparent` names, with its `tracestate`; None for a malformed or a missing one."""
    match = None if header is None else _TRACEPARENT.fullmatch(header.strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "00" and rest is not None:
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), _valid_state(state) if state else "")


def continued(header: str | None, state: str | None = None) -> TraceContext:
    """Return a new span that the named one causes, or the first span of a new trace without a valid one."""
    parent = None if header is None else parse(header, state)
    return new() if parent is None else parent.child()


def current() -> TraceContext | None:
    """Return the span of the current task; None outside of one."""
    return _current.get()


def enter(context: TraceContext | None) -> Token[TraceContext | None]:
    """Make it the span of the current task, until `leave`."""
    return _current.set(context)


def leave(token: Token[TraceContext | None]) -> None:
    """Restore the span before `enter`, in the same task."""
    _current.reset(token)


@contextmanager
def within(context: TraceContext | None) -> Generator[TraceContext | None]:
    """Make it the span of the block."""
    token = enter(context)
    try:
        yield context
    finally:
        leave(token)


def _always(_trace_id: int) -> bool:
    return True


class _Sampling:
    """The decision about new traces in this process, which an exporter of traces sets."""

    def __init__(self) -> None:
        self.decide: Callable[[int], bool] = _always


def _new_span_id() -> str:
    return f"{unique_bits(_SPAN_BITS) or 1:016x}"


def _valid_state(state: str) -> str:
    """Return a tracestate that may be passed on; empty for one that is too long or could not be a header."""
    return state if len(state) <= LONGEST_STATE and _STATE.fullmatch(state) else ""


_sampling = _Sampling()
_current: ContextVar[TraceContext | None] = ContextVar("current_trace", default=None)
