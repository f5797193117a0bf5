"""Fixtures of the browser tests: Chromium, pages, and the servers behind them."""

from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support import headless_chromium
from tests.support.browser_page import isolated_page
from tests.support.database_choice import database_choice
from tests.support.explorer import Server
from tests.support.server_process import ServerProcess
from tests.support.tokens import SECRET, token


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium. Skip the test without one, or fail it if SCENEWIRE_REQUIRE_BROWSER is 1."""
    return headless_chromium.executable() or pytest.skip(headless_chromium.MISSING)


@pytest.fixture
def server(server_url: str) -> Server:
    """The API of the development server."""
    return Server(server_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    """One browser per test module."""
    async with headless_chromium.running(chromium) as browser:
        yield browser


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
