"""Page object of the storyboard's list of jobs and of its form."""

import os
from pathlib import Path

from playwright.async_api import Locator, Page, expect


class JobListPage:
    """The list, the form and the way in, as locators, and the actions of a user."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.list = page.get_by_role("navigation", name="Jobs")
        self.rows = self.list.get_by_role("listitem")
        self.form = page.get_by_role("dialog", name="New job")
        self.banner = page.get_by_text("Catching up")
        self.token = page.get_by_label("Token")
        self.sign_in = page.get_by_role("button", name="Sign in")
        self.search = page.get_by_role("searchbox", name="Search by title")

    async def open(self, query: str = "") -> None:
        """Go to the page."""
        await self.page.goto(f"{self.url}/{query}")

    def row(self, title: str) -> Locator:
        """Return the job with this title in the list."""
        return self.rows.filter(has_text=title)

    async def open_form(self) -> None:
        """Open the form of a new job."""
        await self.page.get_by_role("button", name="New job").click()
        await expect(self.form).to_be_visible()

    async def screenshot(self, name: str) -> None:
        """Write a picture into the folder that SCENEWIRE_SHOTS names, if it does."""
        if folder := os.environ.get("SCENEWIRE_SHOTS"):
            await self.page.screenshot(path=Path(folder) / f"jobs-{name}.png")

    async def stored(self) -> str:
        """Return all that outlives the tab, and the address."""
        kept = "JSON.stringify([localStorage, document.cookie, location.href, history.state])"
        databases = "indexedDB.databases().then((all) => all.length)"
        assert await self.page.evaluate(databases) == 0
        return await self.page.evaluate(kept)
