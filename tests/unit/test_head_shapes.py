"""The shapes of request heads: which values may differ, and how they must be written."""

import pytest

from server.transports.short_path.head_shapes import shaped

LINES = b"POST /graphql HTTP/1.1\r\nhost: a\r\n%b\r\naccept: */*\r\n\r\n"
SAME = [
    (b"content-length: 1", b"content-length: 22"),
    (b"X-Request-Id: a", b"X-Request-Id: b c"),
    (b"traceparent: 00-1-2-3", b"traceparent: x"),
    (b"tracestate: a=b", b"tracestate: c=d, e=f"),
    (b"Baggage: a", b"Baggage: b"),
    (b"sentry-trace: 1", b"sentry-trace: 2"),
    (b"content-length: 1\r\nx-request-id: a", b"content-length: 2\r\nx-request-id: b"),
]
DIFFERENT = [
    (b"x-request-id: a", b"traceparent: a"),
    (b"x-request-id: a", b"x-request-id:  a"),
    (b"x-request-id: a", b"x-request-id:a"),
    (b"x-request-id: a", b"x-request-id: a "),
    (b"x-request-id: a", b"x-request-id: \xe9"),
    (b"x-request-id: a", b"x-request-id: a\tb"),
    (b"x-request-id: a", b"x-request-id: \x00"),
    (b"x-request-id: a", b"x-request-id : a"),
    (b"x-request-id: a", b"x-request-id: a\r\n b"),
    (b"x-request-id: a\r\ntraceparent: b", b"traceparent: b\r\nx-request-id: a"),
    (b"authorization: Bearer a", b"authorization: Bearer b"),
    (b"origin: a", b"origin: b"),
    (b"x-forwarded-for: a", b"x-forwarded-for: b"),
    (b"x: x-request-id: a", b"x: x-request-id: b"),
]


def name(value: object) -> str:
    """The id of a case."""
    return ascii(value)[2:-1].replace("\\", "").replace(" ", "_").replace(":", "-") if isinstance(value, bytes) else ""


@pytest.mark.parametrize(("one", "other"), SAME, ids=name)
def test_values_that_decide_nothing_are_not_part_of_the_shape(one: bytes, other: bytes) -> None:
    """The length of the body, ids of requests and of traces."""
    first, second = shaped(LINES % one), shaped(LINES % other)
    assert first is not None
    assert second is not None
    assert first.shape == second.shape


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=name)
def test_all_else_is_part_of_the_shape(one: bytes, other: bytes) -> None:
    """Names, their order, unusual spaces and characters, and every other header."""
    first, second = shaped(LINES % one), shaped(LINES % other)
    assert first is not None
    assert second is not None
    assert first.shape != second.shape


@pytest.mark.parametrize(
    "field",
    [b"content-length", b"X-Request-ID", b"Traceparent", b"tracestate"],
    ids=["length", "id", "trace", "state"],
)
def test_head_with_two_values_of_a_unique_field_has_no_shape(field: bytes) -> None:
    """Which of them counts is left to the parser and the middleware."""
    assert shaped(LINES % (field + b": 1\r\n" + field.lower() + b": 2")) is None


def test_values_are_read() -> None:
    """The length as it is written, the id and the trace as text."""
    fields = b"Content-Length: 007\r\nx-request-id: mine\r\nTraceParent: 00-1\r\ntracestate: a=1"
    found = shaped(LINES % fields)
    assert found is not None
    assert (found.length, found.request_id) == (b"007", "mine")
    assert (found.traceparent, found.tracestate) == ("00-1", "a=1")
    nothing = shaped(LINES % b"x: y")
    assert nothing is not None
    assert (nothing.length, nothing.request_id) == (None, None)
