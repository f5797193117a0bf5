"""A page in a real browser that reaches nothing but the server under test."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, Route, expect

from tests.support.explorer import Server

WIDTH, HEIGHT = 1280, 800
PATIENCE_MS = 20_000


@asynccontextmanager
async def browsed(browser: Browser, server: Server, refusals: Sequence[int] = ()) -> AsyncGenerator[Page]:
    """A page that can reach the server alone; afterwards it has asked for nothing else and met no error.

    Statuses among `refusals` are part of the play, so many times each as they are listed.
    """
    elsewhere: list[str] = []
    failures: list[str] = []
    expected = [f"status of {status} " for status in refusals]

    def is_elsewhere(url: str) -> bool:
        return not url.startswith((f"{server.url}/", f"{server.websocket_url}/", "blob:", "data:"))

    async def refuse(route: Route) -> None:
        elsewhere.append(route.request.url)
        await route.abort()

    def fail(line: str) -> None:
        known = next((status for status in expected if status in line), None)
        if known is None:
            failures.append(line)
        else:
            expected.remove(known)

    # A page opened by the browser itself has a context, cookies and storage of its own.
    async with await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}) as page:
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        await page.context.route(is_elsewhere, refuse)
        page.on("websocket", lambda socket: elsewhere.append(socket.url) if is_elsewhere(socket.url) else None)
        page.on("pageerror", lambda error: failures.append(error.message))
        page.on("console", lambda line: fail(f"{line.text} {line.location}") if line.type == "error" else None)
        yield page
    assert not elsewhere, elsewhere
    assert not failures, failures
