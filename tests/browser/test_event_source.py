"""The EventSource client of docs/live.md in a real browser."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support import jobs
from tests.support.server_app import App, running
from tests.support.server_process import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT = (ROOT / "docs" / "clients" / "event-source.js").read_text("utf-8").replace("export ", "")
DOCUMENT = """
subscription Feed($jobId: ID!, $after: Int) {
  jobEvents(jobId: $jobId, after: $after, untilSettled: true) {
    ... on JobSnapshot { version } ... on JobEvent { version }
  }
}
"""
FOLLOW = f"""
([query, jobId]) => {{
  {CLIENT}
  window.sources = []
  const Original = EventSource
  window.EventSource = class extends Original {{
    constructor(url) {{
      super(url)
      window.sources.push(this)
      this.addEventListener('error', () => window.errors++)
    }}
  }}
  window.errors = 0
  window.versions = []
  follow('/graphql', query, jobId, (message) => message.version && window.versions.push(message.version))
}}
"""
STATES = "window.sources.map((source) => source.readyState)"
CLOSED = 2


@pytest_asyncio.fixture(loop_scope="module")
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server whose connections the test can cut."""
    async with running(tmp_path) as app:
        yield app


async def received(page: Page, last: int) -> None:
    """Wait until the page has received this version."""
    await until_true(page, f"window.versions.at(-1) === {last}")


async def until_true(page: Page, expression: str) -> None:
    """Wait for an expression; `wait_for_function` would evaluate it by `eval`, which the page's policy forbids."""

    async def is_true() -> bool:
        return await page.evaluate(expression)

    await eventually(is_true)


@pytest.mark.browser
async def test_event_source_client_resumes_without_repeats_and_ends(browser: Browser, app: App) -> None:
    """After a cut connection it resumes after the last version; after the end it opens no new stream."""
    made = await jobs.make(app, jobs.scene())
    async with await browser.new_page() as page:
        await page.goto(f"{app.url}/graphql")
        await page.evaluate(FOLLOW, [DOCUMENT, made.id])
        await received(page, made.version)
        for title in ("One", "Two"):
            await received(page, await jobs.retitle(app, made.id, title))
        for connection in app.container.connections:
            connection.abort()
        await eventually(lambda: len(app.container.connections) == 0)
        await jobs.retitle(app, made.id, "Three")
        await jobs.change(app, "cancelJob", jobId=made.id)
        last = (await jobs.job(app, made.id, "version"))["version"]
        await received(page, last)
        await until_true(page, f"{STATES}.every((state) => state === {CLOSED})")
        versions, states = await page.evaluate("window.versions"), await page.evaluate(STATES)
        errors = await page.evaluate("window.errors")
    assert versions == list(range(made.version, last + 1))
    # The end of a stream that is not closed at `complete` would be an error too, and open a third one.
    assert (states, errors) == ([CLOSED, CLOSED], 1)
