"""Where a browser comes from, and the servers that it visits."""

import os
import shutil
from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.support.browser_page import browsed
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    """One for the tests of a file."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, server: Server) -> AsyncGenerator[Page]:
    """A page of the server on a laptop, where nothing is refused."""
    async with browsed(browser, server) as page:
        yield page


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """A server that asks everybody who they are. Its links to media last for seconds, and change each second."""
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
    """The API beside the browser, as amy."""
    return Server(production.url, token("amy"))
