"""The storyboard's page of one job, in a real browser."""

import base64
import io
import re
import socket
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page, expect

from tests.support import axe, jobs
from tests.support.browser_page import isolated_page
from tests.support.explorer import Server
from tests.support.server_app import App, running
from tests.support.storyboard_job_page import JobPage, stores
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser, pytest.mark.sqlite_alone]

HEBREW = "שקיעה בחוף"
REFUSED = {"failTakes": 1, "retryable": False, "code": "MODERATED", "message": "The prompt was flagged as sensitive."}
UNAVAILABLE = {"errors": [{"message": "The database is away.", "extensions": {"code": "UNAVAILABLE"}}]}
# The render neither ends nor fails.
STALLED = {"outcome": "stall", "steps": 2, "stepSeconds": 0.05}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A development server, whose clips have addresses that the browser reaches."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("job-page")
    async with running(folder, listener=listener, public_url=url, retry_first_seconds=60) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser: Browser, app: App) -> AsyncGenerator[Page]:
    """A blank page that may reach the server only."""
    async with isolated_page(browser, Server(app.url)) as tab:
        yield tab


async def test_job_is_started_repaired_edited_reordered_and_played(tab: Page, app: App) -> None:
    """The whole journey of a job from its draft to its video, by mouse and keys."""
    scenes = [jobs.scene("Rain"), jobs.scene("Snow", **REFUSED), jobs.scene("Sun")]
    made = await jobs.make(app, *scenes, title=HEBREW)
    page = JobPage(tab, app.url, made.id)
    await page.open()
    assert await page.title.evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    await expect(page.card(1)).to_contain_text("Draft")
    await page.click("Start")
    await expect(page.card(2)).to_contain_text("Failed")
    await expect(page.card(2)).to_contain_text("The prompt was flagged as sensitive. Change the prompt or the inputs")
    await expect(page.card(3)).to_contain_text("Done")
    await page.screenshot("failed")
    await page.click("Retry the failed scene")
    await expect(page.card(2)).to_contain_text("Done")

    await page.card(1).hover()
    await expect(page.card(1).locator("img.moving")).to_be_visible()
    await page.page.emulate_media(reduced_motion="reduce")
    await page.card(2).hover()
    await expect(page.main.locator("img.moving")).to_have_count(0)

    await page.edit_prompt(1, "Rain on a roof")
    await expect(page.card(1)).to_contain_text("Edited since this clip was made")
    await page.click("Regenerate: scene 1")
    await expect(page.card(1).get_by_text("Edited since this clip was made")).to_have_count(0)
    await expect(page.card(1)).to_contain_text("Done")
    await page.click("Details of scene 1")
    takes = page.drawer.get_by_role("region", name="Takes").get_by_role("listitem")
    await expect(takes).to_have_count(2)
    await expect(takes.first).to_contain_text("Shown in the video")
    await page.screenshot("drawer")
    await page.click("Use take 1")
    await expect(takes.last).to_contain_text("Shown in the video")
    await expect(page.drawer.locator(".whole-prompt")).to_have_text("Rain")
    await page.page.keyboard.press("Escape")
    await expect(page.drawer).to_have_count(0)
    await expect(page.button("Details of scene 1")).to_be_focused()

    await page.page.get_by_role("button", name="Move scene 3").press("ArrowLeft")
    await expect(page.page.get_by_role("button", name="Move scene 2")).to_be_focused()
    await page.page.keyboard.press("Home")
    await expect(page.page.get_by_role("button", name="Move scene 1")).to_be_focused()
    await expect(page.prompts).to_have_text(["Sun", "Rain", "Snow"])
    await eventually(lambda: stores(app, made.id, ["Sun", "Rain", "Snow"]))

    await page.click("Delete scene 2")
    await expect(page.prompts).to_have_text(["Sun", "Snow"])
    await page.messages.get_by_role("button", name="Undo").click()
    await expect(page.prompts).to_have_text(["Sun", "Rain", "Snow"])
    await expect(page.card(1)).to_be_visible()

    await page.video.get_by_role("button", name="Go to scene 1, at 0:00").focus()
    for key, number in [("ArrowRight", 2), ("End", 3), ("ArrowLeft", 2)]:
        await page.page.keyboard.press(key)
        await expect(page.video.get_by_role("button", name=f"Go to scene {number}, at 0:0")).to_be_focused()
    await page.page.keyboard.press("Enter")
    await expect(page.video.get_by_role("slider", name="Position in the video")).to_have_value("1")
    assert await page.played_seconds() == pytest.approx(1, abs=0.1)
    await page.video.get_by_role("button", name="Play").click()
    await eventually(lambda: page.plays_after(1.2))
    async with tab.expect_download() as saving:
        await page.video.get_by_role("button", name="Download").click()
    assert (await saving.value).suggested_filename == f"{HEBREW}.mp4"
    await page.screenshot("done")


async def test_two_windows_agree_and_refused_changes_are_taken_back(browser: Browser, app: App) -> None:
    """A change of one window is in both; a refused one is in neither, and its text stays with the reason beside it."""
    made = await jobs.make(app, jobs.scene("Rain"), jobs.scene("Snow"), title="Before")
    async with isolated_page(browser, Server(app.url)) as one, isolated_page(browser, Server(app.url)) as other:
        first, second = JobPage(one, app.url, made.id), JobPage(other, app.url, made.id)
        await first.open()
        await second.open()
        await first.edit_title("After")
        await expect(first.title).to_have_text("After")
        await expect(second.title).to_have_text("After")
        link = first.main.get_by_role("link", name="Open in the explorer")
        await expect(link).to_have_attribute("href", f"/graphql?job={made.id}")
        await second.edit_prompt(2, "Hail")
        await expect(first.prompts).to_have_text(["Rain", "Hail"])
        await first.drag(2, onto=1)
        await expect(second.prompts).to_have_text(["Hail", "Rain"])
        await first.click("Delete scene 2")
        await expect(second.prompts).to_have_text(["Hail"])

        await first.edit_title("")
        field = one.get_by_role("textbox", name="Title of the job")
        await expect(field).to_have_accessible_description("Title is empty.")
        await field.press("Escape")
        await expect(first.title).to_have_text("After")
        await expect(first.title.get_by_role("button")).to_be_focused()
        assert (await jobs.job(app, made.id, "title"))["title"] == "After"

        await jobs.change(app, "deleteJob", jobId=made.id)
        await second.click("Restore")
        await expect(first.main.get_by_text("This job is deleted.")).to_have_count(0)
        await first.click("Start")
        await expect(second.card(1)).to_contain_text("Done")
        await expect(second.changes).to_have_text("Scene 1: done.")


async def test_picture_dropped_on_a_scene_is_an_input_of_its_next_take(tab: Page, app: App) -> None:
    """The form of the next take opens with the file, uploads it, and shows errors beside their fields."""
    made = await jobs.make(app, jobs.scene("Rain"), title="From a picture", start=True)
    await jobs.settled(app, made.id)
    picture = io.BytesIO()
    Image.new("RGB", (96, 64), "teal").save(picture, "PNG")
    page = JobPage(tab, app.url, made.id)
    await page.open()
    await page.drop_file(page.card(1), "kite.png", "image/png", base64.b64encode(picture.getvalue()).decode())
    form = page.drawer.filter(has_text="Regenerate with changes: scene 1")
    item = form.get_by_role("listitem").filter(has_text="kite.png")
    await expect(item.get_by_role("combobox")).to_have_value("FIRST_FRAME")
    await form.get_by_label("Prompt", exact=True).fill("")
    await form.get_by_role("button", name="Regenerate").click()
    await expect(form.get_by_label("Prompt", exact=True)).to_have_accessible_description("Prompt is empty.")
    await page.screenshot("form")
    await form.get_by_label("Prompt", exact=True).fill("A kite in the rain")
    await form.get_by_label("Seed").fill("7")
    await item.get_by_role("combobox").select_option("REFERENCE")
    await form.get_by_role("button", name="Regenerate").click()
    await expect(form).to_have_count(0)
    await jobs.settled(app, made.id)
    taken = "takes(first: 1) { number settings { seed } inputs { role asset { name } } }"
    selection = f"scenes(first: 1) {{ nodes {{ prompt {taken} }} }}"
    (scene,) = (await jobs.job(app, made.id, selection))["scenes"]["nodes"]
    assert scene["prompt"] == "A kite in the rain"
    assert scene["takes"][0] == {
        "number": 2,
        "settings": {"seed": 7},
        "inputs": [{"role": "REFERENCE", "asset": {"name": "kite.png"}}],
    }

    await page.click("Add a scene")
    form = page.page.get_by_role("dialog", name="Add a scene")
    await form.get_by_label("Prompt", exact=True).fill("Another kite")
    await form.get_by_label("Length in seconds").fill("99")
    await form.get_by_role("button", name="Add the scene").click()
    await expect(form.get_by_label("Length in seconds")).to_have_accessible_description(re.compile("60"))
    await form.get_by_label("Length in seconds").fill("2")
    await form.get_by_role("button", name="Add the scene").click()
    await expect(page.prompts).to_have_text(["A kite in the rain", "Another kite"])


async def test_database_that_is_away_is_noticed_without_any_action(tab: Page, app: App) -> None:
    """The open stream does not say that the database is away; the page asks, and shows the banner until it is back."""
    page = JobPage(tab, app.url, (await jobs.make(app, jobs.scene("Rain"))).id)
    await page.open()
    place = await page.title.bounding_box()
    await tab.route("**/graphql", lambda route: route.fulfill(json=UNAVAILABLE))
    await expect(page.banner).to_be_visible()
    assert await page.title.bounding_box() == place
    await tab.unroute("**/graphql")
    await expect(page.banner).to_have_count(0)


async def test_job_is_run_by_keyboard_alone(tab: Page, app: App) -> None:
    """Every action is reached by Tab; the focus is visible and returns to where it was."""
    made = await jobs.make(app, jobs.scene("Rain"), jobs.scene("Snow"), title="By keys")
    page = JobPage(tab, app.url, made.id)
    press = tab.keyboard.press
    await page.open()
    await page.tab_to("Title of the job")
    assert await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await press("Enter")
    await tab.keyboard.type("Typed")
    await press("Enter")
    await expect(page.title.get_by_role("button")).to_be_focused()
    await page.tab_to("Prompt of scene 1")
    await press("Enter")
    await tab.keyboard.type("Hail")
    await press("Control+Enter")
    await expect(page.prompts).to_have_text(["Hail", "Snow"])
    await page.tab_to("Move scene 2")
    for key, place in (("ArrowUp", 1), ("End", 2), ("Home", 1)):
        await press(key)
        await expect(page.changes).to_have_text(f"Moved to position {place} of 2.")
        await expect(page.page.get_by_role("button", name=f"Move scene {place}")).to_be_focused()
    await expect(page.prompts).to_have_text(["Snow", "Hail"])
    await page.tab_to("Start", back=True)
    await press("Enter")
    await expect(page.card(2)).to_contain_text("Done")
    await page.tab_to("Details of scene 2")
    await press("Enter")
    await expect(page.drawer.get_by_role("region", name="Takes")).to_be_visible()
    await press("Escape")
    await expect(page.button("Details of scene 2")).to_be_focused()
    await page.tab_to("Delete scene 2")
    await press("Enter")
    await expect(page.cards).to_have_count(1)
    await page.tab_to("Undo")
    await press("Enter")
    await expect(page.prompts).to_have_text(["Snow", "Hail"])
    assert await stores(app, made.id, ["Snow", "Hail"])


async def test_page_and_drawer_fit_a_phone_and_break_no_rule_of_accessibility(tab: Page, app: App) -> None:
    """One column of 390 px, in light and in dark; axe finds nothing serious or critical in any state of a scene."""
    states = [jobs.scene(HEBREW), jobs.scene("Snow", **REFUSED), jobs.scene("Hail", **STALLED)]
    states.append(jobs.scene("Fog", failTakes=1, message="The service is overloaded."))
    made = await jobs.make(app, *states, title=HEBREW * 12, start=True)
    page = JobPage(tab, app.url, made.id)
    await page.open()
    await expect(page.card(1)).to_contain_text("Done")
    await expect(page.card(2)).to_contain_text("Failed")
    await expect(page.card(3)).to_contain_text("Generating")
    await expect(page.card(3).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    await expect(page.card(4)).to_contain_text("Retrying")
    await expect(page.card(4)).to_contain_text(re.compile(r"Attempt 2 of 3 in \d+ s"))
    await expect(page.card(4)).to_contain_text("The service is overloaded. The next attempt follows by itself.")
    assert await axe.problems(tab, "light") == []
    assert await axe.problems(tab, "dark") == []
    await page.screenshot("dark")
    await tab.set_viewport_size({"width": 390, "height": 844})
    left = {await page.card(number).evaluate("(each) => each.getBoundingClientRect().left") for number in (1, 2, 3, 4)}
    assert len(left) == 1
    assert await page.main.evaluate("(each) => each.scrollWidth - each.clientWidth") == 0
    await page.screenshot("phone")
    await page.click("Details of scene 2")
    await expect(page.drawer.get_by_role("region", name="Takes")).to_be_visible()
    assert await page.drawer.evaluate("(each) => each.scrollWidth - each.clientWidth") == 0
    assert await axe.problems(tab, "light") == []
    assert await axe.problems(tab, "dark") == []
    await page.screenshot("phone-drawer")
    await jobs.change(app, "cancelJob", jobId=made.id)
