"""The page of the REST API in a real browser that reaches no other origin."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.support.explorer import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATE = 'mutation { createJob(input: { title: "Docs", scenes: [{ prompt: "A kite over the bay" }] }) { job { id } } }'


@pytest.mark.browser
async def test_api_docs_show_and_run_a_call_without_other_origins(page: Page, server: Server, tmp_path: Path) -> None:
    """The fixture fails the test for each request to another origin, and for each error in the console."""
    response = await page.goto(f"{server.url}/api/docs")
    assert response is not None
    assert "script-src 'self';" in response.headers["content-security-policy"]
    await expect(page.get_by_role("heading", name="Scenewire")).to_be_visible()
    for summary in ("List Scenes", "Get Scene", "Update Scene", "Regenerate Scene", "Delete Scene"):
        await expect(page.get_by_text(summary, exact=True)).to_be_visible()
    await page.get_by_text("List Scenes", exact=True).click()
    await expect(page.get_by_text("There is no such job or scene")).to_be_visible()
    job_id = (await server.execute(CREATE, {}))["createJob"]["job"]["id"]
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_placeholder("job_id").fill(job_id)
    await page.get_by_role("button", name="Execute").click()
    await expect(page.get_by_text('"A kite over the bay"')).to_be_visible()
    await page.screenshot(path=tmp_path / "api-docs.png")
    await page.get_by_role("button", name="Authorize").click()
    await expect(page.get_by_text("A token of the identity provider")).to_be_visible()
