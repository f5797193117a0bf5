"""Chromium, as the tests start it."""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = f"no Chromium: SCENEWIRE_CHROMIUM is not set, and PATH has no {', '.join(NAMES)}"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    """Return the path that SCENEWIRE_CHROMIUM names, else of the first Chromium on PATH, else None.

    Fails the test in place of None if SCENEWIRE_REQUIRE_BROWSER is 1.
    """
    found = os.environ.get("SCENEWIRE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.environ.get("SCENEWIRE_REQUIRE_BROWSER") == "1":
        pytest.fail(MISSING)
    return found


@asynccontextmanager
async def running(path: str) -> AsyncGenerator[Browser]:
    """A headless browser until the block ends."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()
