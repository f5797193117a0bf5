"""The storyboard's list of jobs and its form, in a real browser."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from tests.support import axe, jobs
from tests.support.browser_page import HEIGHT, isolated_page
from tests.support.explorer import Server
from tests.support.freezing_proxy import freezing_proxy
from tests.support.job_list_page import JobListPage
from tests.support.server_app import App, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.sqlite_alone,
]

PHONE = {"width": 390, "height": 844}
HEBREW = "שקיעה בחוף"
# The render neither ends nor fails.
STALLED = {"outcome": "stall"}
# Notes the least number of jobs that the list shows from now on.
NOTE_FEWEST_ROWS = """
() => {
  const list = document.querySelector('nav ul')
  window.fewestRows = list.children.length
  const note = () => { window.fewestRows = Math.min(window.fewestRows, list.children.length) }
  new MutationObserver(note).observe(list, { childList: true })
}
"""


@pytest_asyncio.fixture(loop_scope="module")
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A development server without jobs, whose links to media lead to itself."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with running(tmp_path, listener=listener, public_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as app:
        yield app


async def test_first_job_is_made_by_the_form_and_seen_by_another_window(browser: Browser, app: App) -> None:
    """Errors stand beside their fields; the list of both windows shows the job and its progress until it is done."""
    server = Server(app.url)
    async with isolated_page(browser, server) as one, isolated_page(browser, server) as other:
        page, second = JobListPage(one, app.url), JobListPage(other, app.url)
        await page.open()
        await second.open()
        await expect(second.page.get_by_role("heading", name="Make your first job")).to_be_visible()
        await page.screenshot("empty")
        await page.open_form()
        await page.form.get_by_role("button", name="Add scene").click()
        await page.form.get_by_label("Prompt of scene 1").fill("Waves")
        await page.form.get_by_role("button", name="Create and start").click()
        title, second_prompt = page.form.get_by_label("Title"), page.form.get_by_label("Prompt of scene 2")
        await expect(title).to_be_focused()
        await expect(title).to_have_accessible_description("Title is empty.")
        await expect(second_prompt).to_have_accessible_description("Prompt is empty.")
        await expect(page.form.get_by_label("Prompt of scene 1")).to_have_accessible_description("")
        await page.screenshot("form-errors")
        assert await axe.problems(one, "light") == []
        assert await axe.problems(one, "dark") == []

        await title.fill(HEBREW)
        await expect(title).to_have_accessible_description("")
        await second_prompt.fill("Gulls")
        await page.form.get_by_label("Model").select_option("scripted/plain")
        await page.form.get_by_role("button", name="Create and start").click()
        await expect(page.form).to_have_count(0)
        for window in (page, second):
            await expect(window.row(HEBREW)).to_have_count(1)
            await expect(window.row(HEBREW).get_by_text("Done")).to_be_visible()
        assert urlsplit(one.url).query.startswith("job=job_")
        await expect(page.row(HEBREW).get_by_role("link")).to_have_attribute("aria-current", "page")
        assert (
            await page.row(HEBREW).get_by_text(HEBREW).evaluate("(each) => getComputedStyle(each).direction") == "rtl"
        )
        created = (await app.execute("{ jobs { nodes { title provider scenes { nodes { prompt } } } } }"))["jobs"][
            "nodes"
        ]
    assert created == [
        {"title": HEBREW, "provider": "scripted", "scenes": {"nodes": [{"prompt": "Waves"}, {"prompt": "Gulls"}]}}
    ]


async def test_pasted_prompts_are_scenes_and_the_form_survives_being_closed(browser: Browser, app: App) -> None:
    """One prompt a line, empty lines left out. Settings are those of the model."""
    async with isolated_page(browser, Server(app.url)) as tab:
        page = JobListPage(tab, app.url)
        await page.open()
        await page.open_form()
        await page.form.get_by_label("Title").fill("Pasted")
        await page.form.get_by_text("Paste prompts").click()
        await page.form.get_by_label("Prompts", exact=True).fill("Rain\n\n  Snow \r\nSun\n")
        await expect(page.form.get_by_text("3 scenes")).to_be_visible()
        await page.form.get_by_label("Model").select_option("local/placeholder")
        await page.form.get_by_text("Settings", exact=True).click()
        await page.form.get_by_label("Aspect ratio").select_option("9:16")
        await page.form.get_by_label("Seed").fill("7")
        await page.page.keyboard.press("Escape")
        await expect(page.form).to_have_count(0)
        await expect(page.page.get_by_role("button", name="New job")).to_be_focused()
        await page.open_form()
        await expect(page.form.get_by_label("Prompts", exact=True)).to_have_value("Rain\n\n  Snow \nSun\n")
        await page.form.get_by_label("Start now").uncheck()
        await page.form.get_by_role("button", name="Create", exact=True).click()
        await expect(page.row("Pasted").get_by_text("Draft")).to_be_visible()
        selection = "settings { model aspectRatio seed } scenes { nodes { prompt } }"
        found = (await app.execute(f"{{ jobs {{ nodes {{ {selection} }} }} }}"))["jobs"]["nodes"]
    assert [each["prompt"] for each in found[0]["scenes"]["nodes"]] == ["Rain", "Snow", "Sun"]
    assert found[0]["settings"] == {"model": "local/placeholder", "aspectRatio": "9:16", "seed": 7}


async def test_focus_returns_to_the_button_that_replaced_the_opener_of_the_form(browser: Browser, app: App) -> None:
    """While the form is open, the list turns out to be empty, and another button takes the place of its own."""
    listed = asyncio.Event()

    async def hold_the_list(route: Route) -> None:
        if "query Jobs(" in (route.request.post_data or ""):
            await listed.wait()
        await route.continue_()

    async with isolated_page(browser, Server(app.url)) as tab:
        page = JobListPage(tab, app.url)
        await tab.route("**/graphql", hold_the_list)
        await page.open()
        await page.open_form()
        listed.set()
        await expect(tab.get_by_text("Make your first job")).to_be_visible()
        await tab.keyboard.press("Escape")
        await expect(page.form).to_have_count(0)
        await expect(tab.get_by_role("button", name="New job")).to_be_focused()


async def test_long_list_is_searched_filtered_paged_and_live(browser: Browser, app: App) -> None:
    """Pages load while the list is scrolled; each loaded job is live, and so are new, renamed and deleted ones."""
    made = [await jobs.make(app, title=f"Job {number:03}", scenes=[]) for number in range(120)]
    async with isolated_page(browser, Server(app.url)) as tab:
        page = JobListPage(tab, app.url)
        await page.open()
        await expect(page.rows).to_have_count(50)
        await expect(page.list.get_by_role("button", name="Show more (70 left)")).to_be_attached()
        await jobs.retitle(app, made[0].id, "Not loaded yet")
        await jobs.retitle(app, made[-1].id, "The newest")
        await expect(page.rows.first).to_contain_text("The newest")
        await expect(page.rows).to_have_count(50)
        await page.rows.last.scroll_into_view_if_needed()
        await expect(page.rows).to_have_count(120)
        await tab.evaluate(NOTE_FEWEST_ROWS)
        await jobs.retitle(app, made[-1].id, "Still the newest")
        await expect(page.rows.first).to_contain_text("Still the newest")
        assert await tab.evaluate("window.fewestRows") == 120
        await expect(page.rows.last).to_contain_text("Not loaded yet")

        await jobs.retitle(app, made[0].id, "The oldest")
        await expect(page.rows.last).to_contain_text("The oldest")
        await jobs.change(app, "deleteJob", jobId=made[1].id)
        await expect(page.rows).to_have_count(119)
        running_job = await jobs.make(app, jobs.scene(**STALLED), title="Running job", start=True)
        await expect(page.rows.first).to_contain_text("Running job")
        await expect(page.rows.first.get_by_role("progressbar")).to_be_visible()

        await page.search.fill("JOB 01")
        await expect(page.rows).to_have_count(10)
        await jobs.retitle(app, made[15].id, "Something else")
        await expect(page.rows).to_have_count(9)
        await page.search.fill("")
        await page.list.get_by_label("Status").select_option(label="Running")
        await expect(page.rows).to_have_count(1)
        await jobs.change(app, "cancelJob", jobId=running_job.id)
        await expect(page.list.get_by_text("No job matches.")).to_be_visible()


async def test_list_is_reached_by_keys_and_on_a_phone(browser: Browser, app: App) -> None:
    """On a phone it is one column with a way back. Nothing is wider than the page."""
    await jobs.make(app, jobs.scene(**STALLED), title="A " + "long " * 30 + "title", start=True)
    async with isolated_page(browser, Server(app.url)) as tab:
        page = JobListPage(tab, app.url)
        await page.open()
        await expect(page.rows).to_have_count(1)
        await page.screenshot("desktop-light")
        assert await axe.problems(tab, "light") == []
        assert await axe.problems(tab, "dark") == []
        await page.screenshot("desktop-dark")
        await page.search.focus()
        for _ in range(2):
            await tab.keyboard.press("Tab")
        await tab.keyboard.press("Enter")
        await expect(page.rows.first.get_by_role("link")).to_have_attribute("aria-current", "page")

        await tab.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        await expect(page.list).to_be_hidden()
        await tab.get_by_role("link", name="All jobs").click()
        await expect(page.list).to_be_visible()
        assert await tab.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        await page.screenshot("phone")
        await page.open_form()
        assert await tab.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        await page.screenshot("phone-form")
        await tab.keyboard.press("Escape")
        await tab.go_back()
        await expect(page.list).to_be_hidden()
        await tab.set_viewport_size({"width": 1280, "height": HEIGHT})


async def test_list_catches_up_after_the_line_was_cut(browser: Browser, app: App) -> None:
    """A line says that what is shown may be old; then the list is what the server has, deletions included."""
    kept, removed = [await jobs.make(app, title=title, scenes=[]) for title in ("Kept", "Removed")]
    host, port = urlsplit(app.url).netloc.split(":")
    async with freezing_proxy(host, int(port)) as proxy:
        url, cut_port = f"http://127.0.0.1:{proxy.port}", proxy.port
        async with isolated_page(browser, Server(url), loses_server=True) as tab:
            page = JobListPage(tab, url)
            await page.open()
            await expect(page.rows).to_have_count(2)
            await jobs.retitle(app, kept.id, "Live")
            await expect(page.row("Live")).to_have_count(1)
            await proxy.stop()
            await expect(page.banner).to_be_visible()
            await jobs.retitle(app, kept.id, "Changed meanwhile")
            await jobs.change(app, "deleteJob", jobId=removed.id)
            await expect(page.row("Live")).to_have_count(1)
            await proxy.start(cut_port)
            await expect(page.row("Changed meanwhile")).to_have_count(1)
            await expect(page.rows).to_have_count(1)
            await expect(page.banner).to_have_count(0)
