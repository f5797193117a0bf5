"""W3C Trace Context: which headers name a span, and what is sent on."""

import asyncio

import pytest

from models.domain import trace

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE_ID}-{SPAN_ID}-01", True),
        (f"00-{TRACE_ID}-{SPAN_ID}-00", False),
        (f" 00-{TRACE_ID}-{SPAN_ID}-03 ", True),
        (f"01-{TRACE_ID}-{SPAN_ID}-01-more", True),
    ],
)
def test_span_of_a_valid_header_is_read(header: str, sampled: bool) -> None:
    """Also of a later version, which may append fields, and with flags that this version does not know."""
    assert trace.parse(header, "vendor=1") == trace.TraceContext(TRACE_ID, SPAN_ID, sampled, "vendor=1")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-0g",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n00",
    ],
)
def test_malformed_header_begins_a_new_trace(header: str | None) -> None:
    """The request is served all the same."""
    assert trace.parse(header) is None
    begun = trace.continued(header)
    assert begun.trace_id != TRACE_ID
    assert begun.parent_id is None
    assert trace.parse(begun.header()) is not None


def test_continued_span_keeps_the_trace_and_its_state() -> None:
    """It names its cause, and has an id of its own."""
    span = trace.continued(f"00-{TRACE_ID}-{SPAN_ID}-00", "vendor=1")
    assert (span.trace_id, span.parent_id, span.sampled, span.state) == (TRACE_ID, SPAN_ID, False, "vendor=1")
    assert span.headers() == {"traceparent": f"00-{TRACE_ID}-{span.span_id}-00", "tracestate": "vendor=1"}
    assert span.span_id != SPAN_ID


@pytest.mark.parametrize(
    "state", ["a=" + "x" * trace.LONGEST_STATE, "a=1\r\nx-injected: 1", "a=é"], ids=["long", "lines", "letters"]
)
def test_state_that_may_not_be_sent_on_is_dropped(state: str) -> None:
    """The trace itself goes on."""
    parsed = trace.parse(f"00-{TRACE_ID}-{SPAN_ID}-01", state)
    assert parsed is not None
    assert parsed.headers() == {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}


async def test_tasks_inherit_the_span_and_change_their_own_alone() -> None:
    """A task that a request starts belongs to its trace."""
    outer = trace.new()

    async def task() -> tuple[trace.TraceContext | None, trace.TraceContext | None]:
        inherited = trace.current()
        with trace.within(outer.child()) as own:
            assert trace.current() is own
        return inherited, trace.current()

    with trace.within(outer):
        assert await asyncio.create_task(task()) == (outer, outer)
    assert trace.current() is None
