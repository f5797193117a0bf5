"""A browser page that can reach only the server under test."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, Route, expect

from tests.support.explorer import Server
from tests.support.waiting import TIMEOUT_SECONDS

WIDTH, HEIGHT = 1280, 800
TIMEOUT_MS = 1_000 * TIMEOUT_SECONDS
# For all pages of the process, those of tests that open one by themselves included.
expect.set_options(timeout=TIMEOUT_MS)


@asynccontextmanager
async def isolated_page(
    browser: Browser,
    server: Server,
    expected_statuses: Sequence[int] = (),
    *,
    trusts_any_certificate: bool = False,
    other_url: str | None = None,
    loses_server: bool = False,
) -> AsyncGenerator[Page]:
    """Open a page; on exit assert that it made no request to another host and logged no error.

    HTTP error statuses in `expected_statuses` are allowed, each once per entry, and so are requests to `other_url`, and
    failed connections when the page `loses_server`.
    """
    foreign_urls: list[str] = []
    failures: list[str] = []
    expected = [f"status of {status} " for status in expected_statuses]

    def is_foreign(url: str) -> bool:
        own = (f"{server.url}/", f"{server.websocket_url}/", "blob:", "data:")
        return not url.startswith((*own, f"{other_url}/") if other_url else own)

    async def block(route: Route) -> None:
        foreign_urls.append(route.request.url)
        await route.abort()

    def on_console_error(line: str) -> None:
        known = next((status for status in expected if status in line), None)
        if known is not None:
            expected.remove(known)
        elif not (loses_server and "net::ERR_" in line):
            failures.append(line)

    # `new_page` creates a new context, so cookies and storage are not shared.
    async with await browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT}, ignore_https_errors=trusts_any_certificate
    ) as page:
        page.set_default_timeout(TIMEOUT_MS)
        await page.context.route(is_foreign, block)
        page.on("websocket", lambda socket: foreign_urls.append(socket.url) if is_foreign(socket.url) else None)
        page.on("pageerror", lambda error: failures.append(error.message))
        page.on(
            "console", lambda line: on_console_error(f"{line.text} {line.location}") if line.type == "error" else None
        )
        yield page
    assert not foreign_urls, foreign_urls
    assert not failures, failures
