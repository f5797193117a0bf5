"""Pages that another host or port serves, such as a dev server, and the API."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.support.database_choice import database_choice
from tests.support.server_app import running
from tests.support.uvicorn_server import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The headers of Apollo Client, Sentry and OpenTelemetry; one that no client sends by itself.
REQUEST = """async ([url, name]) => {
    const headers = {
        "content-type": "application/json", "x-request-id": "page-1", "traceparent": "00-1-2-01", "tracestate": "a=b",
        "baggage": "a=b", "sentry-trace": "1-2", "apollographql-client-name": "web", "apollo-require-preflight": "true",
        "apollographql-client-version": "1", "x-requested-with": "fetch", [name]: "1",
    }
    const body = JSON.stringify({query: "{ viewer { id } }"})
    try {
        const answer = await fetch(`${url}/graphql`, {method: "POST", headers, body})
        return [answer.status, (await answer.json()).data.viewer.id, answer.headers.get("x-request-id")]
    } catch (error) {
        return String(error)
    }
}"""
SOCKET = """(url) => new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-transport-ws")
    socket.onopen = () => resolve("open")
    socket.onclose = () => resolve("closed")
})"""


async def empty_page(_request: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>A page</title>")


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncGenerator[Page]:
    """A page of another port."""
    async with (
        serve(Starlette(routes=[Route("/", empty_page)])) as served,
        await browser.new_page() as page,
    ):
        await page.goto(served.origin)
        yield page


async def test_listed_page_may_send_usual_headers_and_read_the_request_id(page: Page, tmp_path: Path) -> None:
    """It may send headers of ALLOWED_HEADERS too, but no others; it may also open a websocket."""
    origin = page.url.rstrip("/")
    with database_choice.use(None):
        async with running(tmp_path, allowed_origins=origin, allowed_headers="x-tenant") as app:
            for name in ("accept-language", "x-tenant"):
                assert await page.evaluate(REQUEST, [app.url, name]) == [200, "local", "page-1"]
            assert await page.evaluate(REQUEST, [app.url, "x-other"]) == "TypeError: Failed to fetch"
            assert await page.evaluate(SOCKET, app.url) == "open"


async def test_unlisted_page_is_rejected_and_logged_once(
    page: Page, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A preflight request, a request without one and a websocket are all rejected; the log has one line."""
    origin = page.url.rstrip("/")
    with database_choice.use(None):
        async with running(tmp_path) as app:
            assert await page.evaluate(REQUEST, [app.url, "accept-language"]) == "TypeError: Failed to fetch"
            assert await page.evaluate(f"fetch('{app.url}/graphql').catch(String)") == "TypeError: Failed to fetch"
            assert await page.evaluate(SOCKET, app.url) == "closed"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [f"Rejected a request from a page of {origin}: SCENEWIRE_ALLOWED_ORIGINS does not list it"]
