"""The explorer page of a development server, in a real browser."""

from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.support import axe
from tests.support.browser_page import HEIGHT
from tests.support.explorer import Explorer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATE_JOB = """
mutation Create {
  createJob(input: { title: "Typed", provider: "scripted", start: true, scenes: [{ prompt: "Rain" }] }) {
    job { id title }
    errors { message }
  }
}
"""
RENAME = """
mutation Rename($jobId: ID!, $title: String!) {
  updateJob(input: { jobId: $jobId, title: $title }) { errors { message } }
}
"""
CREATE_MANY = """
mutation Create($scenes: [NewSceneInput!]!) {
  createJob(input: { title: "Long", provider: "external", scenes: $scenes }) {
    job { id scenes(first: 100) { nodes { id } } }
  }
}
"""
UPDATE_MANY = """
mutation Update($jobId: ID!, $scenes: [UpdateSceneInput!]!) {
  updateScenes(input: { jobId: $jobId, scenes: $scenes }) { succeeded job { version } }
}
"""
CREATE_ELSEWHERE = """
mutation Create {
  createJob(input: { title: "Made elsewhere", provider: "external", scenes: [{ prompt: "Rain" }] }) {
    job { id scenes { nodes { id } } }
  }
}
"""
START = """
mutation Start($sceneId: ID!) {
  updateScene(input: { sceneId: $sceneId, status: PROCESSING }) { errors { message } }
}
"""
TAKES = """
query Takes($sceneId: ID!) { scene(id: $sceneId) { takes { number } } }
"""
COMPLETE = """
mutation Complete($sceneId: ID!) {
  updateScene(input: { sceneId: $sceneId, status: COMPLETED }) { errors { message } }
}
"""
# Collects every text that the clips pane shows.
NOTE_STAGES = """
() => {
  const pane = document.querySelector('section[aria-label="Clips"]')
  window.stages = ''
  const changes = { subtree: true, childList: true, characterData: true }
  new MutationObserver(() => { window.stages += pane.innerText }).observe(pane, changes)
}
"""
PLAY_AND_SEEK = """
async (video) => {
  const happens = (name) => new Promise((done, fail) => {
    video.addEventListener(name, done, { once: true })
    video.addEventListener('error', () => fail(new Error(video.error.message)), { once: true })
  })
  video.muted = true
  await Promise.all([happens('timeupdate'), video.play()])
  video.pause()
  const sought = happens('seeked')
  video.currentTime = 7
  await sought
  return { duration: video.duration, seekedTo: video.currentTime }
}
"""
# Plays the last moment of a clip.
PLAY_TO_THE_END = """
(video) => new Promise((done, fail) => {
  video.addEventListener('ended', done, { once: true })
  video.addEventListener('error', () => fail(new Error(video.error.message)), { once: true })
  video.muted = true
  video.currentTime = video.duration - 0.1
  video.play()
})
"""


async def created_elsewhere(server: Server) -> tuple[str, str]:
    """Create a job of the provider external; return its id and that of its scene."""
    created = await server.execute(CREATE_ELSEWHERE, {})
    job = created["createJob"]["job"]
    return job["id"], job["scenes"]["nodes"][0]["id"]


@pytest_asyncio.fixture(loop_scope="module")
async def explorer(page: Page, server: Server) -> Explorer:
    """The page at its first visit."""
    explorer = Explorer(page)
    await explorer.visit(f"{server.url}/graphql")
    return explorer


@pytest.mark.browser
async def test_the_prepared_tabs_run_in_order_without_copying_ids_or_waiting(
    explorer: Explorer, server: Server, tmp_path: Path
) -> None:
    """Each is run as soon as the one before has answered; what needs a finished scene waits for it, and none fails."""
    await expect(explorer.page).to_have_title("Scenewire")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"createJob"')
    await expect(explorer.clips).to_have_count(3)
    await explorer.page.evaluate(NOTE_STAGES)
    job_id = await explorer.remembered_job.inner_text()

    await explorer.open("Watch job")
    await explorer.run()
    await expect(explorer.messages).to_contain_text("JobSnapshot")
    await expect(explorer.stream).to_have_text("live")

    await explorer.open("Regenerate scene")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"regenerateScene"')
    await expect(explorer.messages).to_have_count(0)
    await expect(explorer.steps).to_contain_text("SCENE_REGENERATED · scene 1")
    failures = [await explorer.failures()]

    await explorer.open("Select take")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"number": 1')
    await expect(explorer.steps).to_contain_text("SCENE_TAKE_SELECTED · scene 1")
    failures.append(await explorer.failures())

    answers = {
        "Query clips": '"durationSeconds": 3',
        "Models": '"local/',
        "Continue from take": '"role": "FIRST_FRAME"',
        "Create asset": '"resumable": true',
        "Claim take": '"leases": []',
    }
    for tab, answer in answers.items():
        await explorer.open(tab)
        await explorer.run()
        await expect(explorer.response).to_contain_text(answer)
        failures.append(await explorer.failures())
    assert failures == [0] * 7

    await server.settled(job_id)
    await expect(explorer.clips.get_by_text("COMPLETED")).to_have_count(4)
    await expect(explorer.video).to_contain_text("Joined video")
    await expect(explorer.video).to_contain_text("0:12")
    assert "4 scenes ready, joining the clips" in await explorer.page.evaluate("stages")
    played = await explorer.video.locator("video").evaluate(PLAY_AND_SEEK)
    assert played == {"duration": pytest.approx(12, abs=0.2), "seekedTo": 7}
    await explorer.page.screenshot(path=tmp_path / "explorer.png")

    clip = explorer.clips.first.locator("video")
    await clip.evaluate(PLAY_TO_THE_END)
    assert await clip.get_attribute("controls") is None, "the controls of an ended clip cover its caption"
    await clip.hover()
    await expect(clip).to_have_attribute("controls", "")


@pytest.mark.browser
async def test_an_operation_that_needs_a_finished_scene_waits_for_it_and_can_be_stopped(
    explorer: Explorer, server: Server
) -> None:
    """The scene is that of an external job, so it is finished when the test says so."""
    job_id, scene_id = await created_elsewhere(server)
    await server.execute(START, {"sceneId": scene_id})
    await explorer.visit(f"{server.url}/graphql?job={job_id}")
    await explorer.clips.get_by_role("button", name="Rain").click()
    await explorer.open("Regenerate scene")
    await explorer.run()
    await expect(explorer.response).to_contain_text("The scene is PROCESSING.")
    await explorer.run()
    await expect(explorer.page.get_by_role("button", name="Execute query")).to_be_visible()
    await explorer.run()
    await expect(explorer.response).to_contain_text("The scene is PROCESSING.")
    await server.execute(COMPLETE, {"sceneId": scene_id})
    await expect(explorer.response).to_contain_text('"regenerateScene"')
    takes = await server.execute(TAKES, {"sceneId": scene_id})
    assert [take["number"] for take in takes["scene"]["takes"]] == [2, 1]


@pytest.mark.browser
async def test_a_subscription_lists_its_messages_and_shows_the_chosen_one(explorer: Explorer, server: Server) -> None:
    """The newest is first, and shown until one is chosen; of more than 200 the last 200 are listed."""
    job_id, _ = await created_elsewhere(server)
    await explorer.visit(f"{server.url}/graphql?job={job_id}")
    await explorer.open("Watch job")
    await explorer.run()
    rows = explorer.messages.get_by_role("button", name="Job")
    await expect(rows).to_have_count(1)
    await server.execute(RENAME, {"jobId": job_id, "title": "Fog"})
    await expect(rows).to_contain_text(["JobEvent · JOB_UPDATED", "JobSnapshot"])
    await expect(explorer.response).to_contain_text('"JOB_UPDATED"')
    await expect(explorer.steps).to_contain_text("JOB_UPDATED")

    await rows.last.click()
    await expect(explorer.response).to_contain_text('"__typename": "JobSnapshot"')
    await server.execute(RENAME, {"jobId": job_id, "title": "Mist"})
    await expect(rows).to_have_count(3)
    await expect(explorer.response).to_contain_text('"__typename": "JobSnapshot"')
    await explorer.messages.get_by_role("button", name="Show the newest").click()
    await expect(explorer.response).to_contain_text('"JOB_UPDATED"')

    job_id, version = await job_of_many_events(server)
    await explorer.write(f'subscription Replay {{ jobEvents(jobId: "{job_id}", after: 0) {{ __typename }} }}')
    await explorer.run()  # stops the one before
    await explorer.run()
    await expect(explorer.messages).to_contain_text(f"{version} messages, newest first; the last 200 are listed")
    await expect(rows).to_have_count(200)


async def job_of_many_events(server: Server) -> tuple[str, int]:
    """Make a job with more than 200 events; return its id and version."""
    created = await server.execute(CREATE_MANY, {"scenes": [{"prompt": "Rain"}] * 50})
    job = created["createJob"]["job"]
    version = 0
    for title in "abcd":
        scenes = [{"sceneId": scene["id"], "title": title} for scene in job["scenes"]["nodes"]]
        answer = await server.execute(UPDATE_MANY, {"jobId": job["id"], "scenes": scenes})
        version = answer["updateScenes"]["job"]["version"]
    assert version > 200
    return job["id"], version


@pytest.mark.browser
async def test_the_page_is_accessible_and_its_panes_are_stacked_in_narrow_windows(
    explorer: Explorer, server: Server
) -> None:
    """In light and dark; at 800 and at 390 px nothing overlaps, nothing is scrolled sideways, and the job is linked."""
    page = explorer.page
    job_id, scene_id = await created_elsewhere(server)
    await explorer.visit(f"{server.url}/graphql?job={job_id}")
    await server.execute(COMPLETE, {"sceneId": scene_id})
    await expect(explorer.clips).to_contain_text("COMPLETED")
    await explorer.open("Watch job")
    await explorer.run()
    await expect(explorer.messages).to_contain_text("JobSnapshot")
    await expect(page.get_by_role("link", name="Open in the storyboard")).to_have_attribute("href", f"/?job={job_id}")
    log = await explorer.steps.bounding_box()
    assert log is not None
    assert log["y"] + log["height"] <= HEIGHT, "the events are below the fold"
    assert await axe.problems(page, "light") == []
    assert await axe.problems(page, "dark") == []

    for width in (800, 390):
        await page.set_viewport_size({"width": width, "height": 844})
        panes = (explorer.clips_pane, explorer.editor, explorer.variables, explorer.messages, explorer.response)
        boxes = [await pane.bounding_box() for pane in panes]
        edges = [edge for box in boxes if box for edge in (box["y"], box["y"] + box["height"])]
        assert len(edges) == 2 * len(panes)
        assert edges == sorted(edges), f"panes overlap at {width} px"
        assert all(box and box["width"] > 0.85 * width for box in boxes), boxes
        assert await page.evaluate("document.documentElement.scrollWidth") == width
    assert await axe.problems(page) == []


@pytest.mark.browser
async def test_a_typed_query_and_mutation_run(explorer: Explorer) -> None:
    """The clips pane switches to the job that the typed mutation created."""
    await explorer.write("query Which { serverInfo { version } }")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"serverInfo"')

    await explorer.write(CREATE_JOB)
    await explorer.run()
    await expect(explorer.response).to_contain_text('"title": "Typed"')
    await expect(explorer.page.get_by_role("heading", name="Typed")).to_be_visible()


@pytest.mark.browser
async def test_the_clips_pane_shows_why_a_video_could_not_be_joined(explorer: Explorer, server: Server) -> None:
    """An external job without clips: its scenes are completed, the video is not available."""
    job_id, scene_id = await created_elsewhere(server)
    await server.execute(COMPLETE, {"sceneId": scene_id})
    await explorer.show_job(job_id)
    await expect(explorer.clips).to_contain_text("COMPLETED")
    await expect(explorer.clips_pane).to_contain_text("The clips were not joined.")


@pytest.mark.browser
async def test_an_empty_job_id_without_a_remembered_one_is_an_error(explorer: Explorer) -> None:
    """The operation is not sent to the server."""
    await explorer.open("Watch job")
    await explorer.run()
    await expect(explorer.response).to_contain_text("The jobId is empty")
