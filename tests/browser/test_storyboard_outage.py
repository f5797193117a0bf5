"""The storyboard's page of one job while its server is away, in a real browser."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support import jobs
from tests.support.browser_page import TIMEOUT_MS
from tests.support.client import Client
from tests.support.server_process import ServerProcess
from tests.support.storyboard_job_page import JobPage

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser, pytest.mark.sqlite_alone]

# The render neither ends nor fails.
STALLED = {"outcome": "stall", "steps": 2, "stepSeconds": 0.05}


async def test_killed_server_is_shown_as_such_until_the_truth_is_back(browser: Browser, tmp_path: Path) -> None:
    """While it is away a banner says so and changes are taken back; after its restart the page shows what holds."""
    process = ServerProcess(tmp_path, provider="scripted").start()
    context = await browser.new_context()  # its console has errors of the network
    try:
        client = Client(process.url)
        made = await jobs.make(client, jobs.scene("Rain", **STALLED), title="Before", start=True)
        page = JobPage(await context.new_page(), process.url, made.id)
        page.page.set_default_timeout(TIMEOUT_MS)
        errors: list[str] = []
        page.page.on("pageerror", lambda error: errors.append(error.message))
        await page.open()
        await expect(page.card(1)).to_contain_text("Generating")
        process.kill()
        await expect(page.banner).to_be_visible()
        await page.screenshot("catching-up")
        await page.edit_prompt(1, "Hail")
        field = page.page.get_by_role("textbox", name="Prompt of scene 1")
        await expect(field).to_have_accessible_description("The server cannot be reached.")
        assert await field.evaluate("(each) => each.selectionStart") == len("Hail")  # typing does not replace the text
        await field.press("Escape")
        await expect(page.prompts).to_have_text(["Rain"])
        process.start()
        await jobs.retitle(client, made.id, "After")
        await expect(page.title).to_have_text("After")
        await page.click("Cancel scene 1")
        await expect(page.card(1)).to_contain_text("Canceled")
        await expect(page.banner).to_have_count(0)
        assert errors == []
        await client.close()
    finally:
        await context.close()
        process.kill()
