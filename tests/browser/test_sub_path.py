"""The pages behind a real nginx, under a path and over TLS."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.browser_page import isolated_page
from tests.support.explorer import Explorer, Server
from tests.support.job_list_page import JobListPage
from tests.support.nginx import documented, nginx
from tests.support.proxy import unused_port
from tests.support.server_app import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def proxied(tmp_path: Path) -> AsyncGenerator[Server]:
    """A server with its PUBLIC_URL under a path of nginx."""
    port = unused_port()
    url = f"https://localhost:{port}/studio"
    async with (
        running(tmp_path, public_url=url, trusted_proxies="127.0.0.1") as app,
        nginx(tmp_path, documented("/studio"), port=port, upstream_port=int(app.url.rpartition(":")[2])),
    ):
        yield Server(url)


@pytest.mark.browser
async def test_explorer_under_a_path_runs_operations_and_streams(
    browser: Browser, proxied: Server, tmp_path: Path
) -> None:
    """Page, scripts, workers, requests and the websocket are all under the path; any other address fails."""
    async with isolated_page(browser, proxied, trusts_any_certificate=True) as page:
        await page.goto(f"{proxied.url}/graphql")
        explorer = Explorer(page)
        await explorer.write(
            'mutation Create { createJob(input: { title: "Proxied", start: true, scenes: [{ prompt: "Rain" }] }) '
            "{ job { id title } errors { message } } }"
        )
        await explorer.run()
        await expect(explorer.response).to_contain_text('"title": "Proxied"')
        await expect(page.get_by_role("heading", name="Proxied")).to_be_visible()
        await expect(explorer.clips.get_by_text("COMPLETED")).to_have_count(1)
        await page.screenshot(path=tmp_path / "explorer.png")


@pytest.mark.browser
async def test_storyboard_under_a_path_makes_a_job_and_shows_it(browser: Browser, proxied: Server) -> None:
    """The address of a job is under the path too, and leads to it."""
    async with isolated_page(browser, proxied, trusts_any_certificate=True) as page:
        board = JobListPage(page, proxied.url)
        await board.open()
        await board.open_form()
        await board.form.get_by_label("Title").fill("Below a path")
        await board.form.get_by_label("Prompt of scene 1").fill("Rain")
        await board.form.get_by_role("button", name="Create and start").click()
        await expect(board.row("Below a path").get_by_text("Done")).to_be_visible()
        assert page.url.startswith(f"{proxied.url}/?job=job_")
        await page.reload()
        await expect(board.row("Below a path").get_by_role("link")).to_have_attribute("aria-current", "page")


@pytest.mark.browser
async def test_api_docs_under_a_path_run_a_call(browser: Browser, proxied: Server) -> None:
    """The server URL in the OpenAPI document contains the path."""
    async with isolated_page(browser, proxied, expected_statuses=[404], trusts_any_certificate=True) as page:
        await page.goto(f"{proxied.url}/api/docs")
        await page.get_by_text("List Scenes", exact=True).click()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_placeholder("job_id").fill("1")
        async with page.expect_response(f"{proxied.url}/api/v3/jobs/1/scenes") as response:
            await page.get_by_role("button", name="Execute").click()
        assert (await response.value).status == 404
