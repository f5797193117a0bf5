"""Content negotiation, as a pure function."""

import pytest

from server.transports.responses.accept import EVENT_STREAM, GRAPHQL_RESPONSE, HTML, JSON, names, preferred

URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)
APOLLO = "application/graphql-response+json,application/json;q=0.9"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", JSON),
        ("  ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/graphql-response+json", GRAPHQL_RESPONSE),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", GRAPHQL_RESPONSE),
        ("application/json, application/graphql-response+json", JSON),
        ("application/json;q=0.9, application/graphql-response+json", GRAPHQL_RESPONSE),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("application/json;q=0, */*", GRAPHQL_RESPONSE),
        ("application/json;q=0, application/*;q=0.5", GRAPHQL_RESPONSE),
        ("text/event-stream", EVENT_STREAM),
        ("text/event-stream, application/json", EVENT_STREAM),
        ("application/json;q=0.5, text/event-stream", EVENT_STREAM),
        ("text/event-stream;q=0.5, application/json", JSON),
        ("application/json, text/event-stream", JSON),
        ("text/event-stream;q=0, application/json;q=0.1", JSON),
        ("text/event-stream, */*;q=0.1", EVENT_STREAM),
        (URQL, GRAPHQL_RESPONSE),
        (APOLLO, GRAPHQL_RESPONSE),
        (CHROME, JSON),
        ("application/json;q=0, application/graphql-response+json;q=0, */*", None),
        ("text/*", None),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=nonsense", None),
        ("application/json;q=nan", None),
        ("image/png, text/plain", None),
        (",,;;=,", None),
    ],
)
def test_accept_header_determines_the_media_type(header: str, chosen: str | None) -> None:
    """By quality, then by the order of the header; an event stream only when it is named."""
    assert preferred(header) == chosen


@pytest.mark.parametrize(
    ("header", "named"),
    [(CHROME, True), ("text/html", True), ("*/*", False), ("text/html;q=0", False), ("", False)],
)
def test_accept_header_names_html_only_in_browsers(header: str, named: bool) -> None:
    """A wildcard does not name it."""
    assert names(header, HTML) is named
