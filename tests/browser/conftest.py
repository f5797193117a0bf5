"""A real Chromium that reaches nothing but the server under test."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from tests.browser.driver import Server

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTH, HEIGHT = 1280, 800
PATIENCE_MS = 20_000


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one the test is skipped, or failed if SCENEWIRE_REQUIRE_BROWSER is 1."""
    found = os.environ.get("SCENEWIRE_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found:
        return found
    reason = f"no Chromium: SCENEWIRE_CHROMIUM is not set, and PATH has no {', '.join(CHROMIUM_NAMES)}"
    if os.environ.get("SCENEWIRE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def server(server_url: str) -> Server:
    """The API beside the browser."""
    return Server(server_url)


@pytest.fixture
async def page(chromium: str, server: Server) -> AsyncIterator[Page]:
    """A page that can reach the server alone; afterwards it has asked for nothing else and met no error."""
    elsewhere: list[str] = []
    failures: list[str] = []

    def is_elsewhere(url: str) -> bool:
        return not url.startswith((f"{server.url}/", f"{server.websocket_url}/", "blob:", "data:"))

    async def refuse(route: Route) -> None:
        elsewhere.append(route.request.url)
        await route.abort()

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        await page.context.route(is_elsewhere, refuse)
        page.on("websocket", lambda socket: elsewhere.append(socket.url) if is_elsewhere(socket.url) else None)
        page.on("pageerror", lambda error: failures.append(error.message))
        page.on(
            "console", lambda line: failures.append(f"{line.text} {line.location}") if line.type == "error" else None
        )
        yield page
        await browser.close()
    assert elsewhere == []
    assert failures == []
