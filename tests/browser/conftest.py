"""Fixtures of the browser tests: Chromium, pages, and the servers behind them."""

import os
import shutil
from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.support.browser_page import isolated_page
from tests.support.database_choice import database_choice
from tests.support.explorer import Server
from tests.support.server_process import ServerProcess
from tests.support.tokens import SECRET, token

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


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium. Skip the test without one, or fail it if SCENEWIRE_REQUIRE_BROWSER is 1."""
    found = os.environ.get("SCENEWIRE_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found:
        return found
    reason = f"no Chromium: SCENEWIRE_CHROMIUM is not set, and PATH has no {', '.join(CHROMIUM_NAMES)}"
    if os.environ.get("SCENEWIRE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def server(server_url: str) -> Server:
    """The API of the development server."""
    return Server(server_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    """One browser per test module."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, server: Server) -> AsyncGenerator[Page]:
    """A blank page that may reach the development server only."""
    async with isolated_page(browser, server) as page:
        yield page


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """A server of the production profile, whose media URLs expire after 3 s."""
    with database_choice.use(None):
        process = ServerProcess(
            tmp_path_factory.mktemp("production"),
            profile="production",
            auth_secret=SECRET,
            explorer=True,
            introspection=True,
            media_url_seconds=3,
            local_width=320,
            local_height=180,
        )
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def amys(production: ServerProcess) -> Server:
    """The API of the production server, as amy."""
    return Server(production.url, token("amy"))
