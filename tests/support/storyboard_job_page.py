"""Page object of the storyboard's page of one job."""

import os
import re
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.support import jobs
from tests.support.client import Client

# More than there are controls on the pages of tests: a search for one of them ends.
MOST_TABS = 80
FOCUSED = "document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.innerText ?? ''"
# Drops one file, as a drag from another window does.
DROP = """
(target, [name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))
  const dataTransfer = new DataTransfer()
  dataTransfer.items.add(new File([bytes], name, { type }))
  for (const kind of ['dragover', 'drop'])
    target.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }))
}
"""


async def stores(client: Client, job_id: str, prompts: list[str]) -> bool:
    """Return whether the server has exactly these prompts in play order."""
    found = await jobs.job(client, job_id, "scenes { nodes { prompt } }")
    return [each["prompt"] for each in found["scenes"]["nodes"]] == prompts


class JobPage:
    """The page of one job: its parts as locators, and the actions of a user."""

    def __init__(self, page: Page, url: str, job_id: str) -> None:
        self.page = page
        self.address = f"{url}/?job={job_id}"
        self.main = page.get_by_role("main")
        self.title = self.main.get_by_role("heading", level=1)
        self.cards = self.main.get_by_role("article", name=re.compile(r"^Scene \d+"))
        self.prompts = self.main.locator(".card .prompt")
        self.video = self.main.get_by_role("region", name="Video")
        self.drawer = page.get_by_role("dialog")
        self.banner = page.get_by_text("Catching up")
        self.messages = page.get_by_role("log", name="Messages")
        self.changes = page.get_by_role("status", name="Changes")

    async def open(self) -> None:
        """Go to the page and wait until it shows the job."""
        await self.page.goto(self.address)
        await expect(self.title).to_be_visible()

    def card(self, number: int) -> Locator:
        """Return a scene by its number in play order."""
        return self.main.get_by_role("article", name=f"Scene {number}", exact=True)

    def button(self, name: str) -> Locator:
        """Return a button of the page by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def click(self, name: str) -> None:
        """Click a button."""
        await self.button(name).click()

    async def edit_prompt(self, number: int, text: str) -> None:
        """Edit the prompt of a scene in place, and save it."""
        await self.card(number).get_by_role("button", name=f"Prompt of scene {number}").click()
        field = self.card(number).get_by_role("textbox", name=f"Prompt of scene {number}")
        await field.fill(text)
        await field.press("Control+Enter")

    async def edit_title(self, text: str) -> None:
        """Edit the title in place, and save it."""
        await self.title.get_by_role("button").click()
        field = self.page.get_by_role("textbox", name="Title of the job")
        await field.fill(text)
        await field.press("Enter")

    async def tab_to(self, name: str, *, back: bool = False) -> None:
        """Press Tab until the control whose name begins so has the focus."""
        for _ in range(MOST_TABS):
            await self.page.keyboard.press("Shift+Tab" if back else "Tab")
            if (await self.page.evaluate(FOCUSED)).startswith(name):
                return
        raise AssertionError(f"no control {name!r} can be reached by Tab")

    async def drag(self, number: int, *, onto: int) -> None:
        """Drag a scene by its handle to the first half of another one."""
        handle = self.page.get_by_role("button", name=f"Move scene {number}")
        start, target = await handle.bounding_box(), await self.card(onto).bounding_box()
        assert start is not None
        assert target is not None
        mouse = self.page.mouse
        await mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        await mouse.down()
        await mouse.move(target["x"] + target["width"] / 4, target["y"] + target["height"] / 2, steps=4)
        await expect(self.page.locator(".drop-before")).to_be_visible()
        await mouse.up()

    async def drop_file(self, target: Locator, name: str, content_type: str, base64: str) -> None:
        """Drop a file on an element."""
        await target.evaluate(DROP, [name, content_type, base64])

    async def played_seconds(self) -> float:
        """Return the position of the video."""
        return await self.video.locator("video").evaluate("(video) => video.currentTime")

    async def plays_after(self, seconds: float) -> bool:
        """Return whether the position of the video is behind this one."""
        return await self.played_seconds() > seconds

    async def screenshot(self, name: str) -> None:
        """Write a picture into the folder that SCENEWIRE_SHOTS names, if it does."""
        if folder := os.environ.get("SCENEWIRE_SHOTS"):
            await self.page.screenshot(path=Path(folder) / f"job-{name}.png")
