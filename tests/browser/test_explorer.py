"""The explorer page of a development server, in a real browser."""

from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from graphql import IntrospectionQuery, build_client_schema, get_introspection_query, parse, validate
from playwright.async_api import Page, expect

from tests.support.explorer import Explorer, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATIONS = sorted((Path(__file__).parents[2] / "web" / "src" / "operations").glob("*.graphql"))

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
CREATE_ELSEWHERE = """
mutation Create {
  createJob(input: { title: "Made elsewhere", provider: "external", scenes: [{ prompt: "Rain" }] }) {
    job { id scenes { nodes { id } } }
  }
}
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


@pytest_asyncio.fixture(loop_scope="module")
async def explorer(page: Page, server: Server) -> Explorer:
    """The page at its first visit."""
    await page.goto(f"{server.url}/graphql")
    await expect(page.get_by_role("region", name="Operation Editor")).to_contain_text("Welcome to Scenewire")
    return Explorer(page)


@pytest.mark.browser
async def test_the_prepared_tabs_run_in_order_without_copying_ids(
    explorer: Explorer, server: Server, tmp_path: Path
) -> None:
    """Create, watch, query, regenerate, select a take: the remembered ids replace the empty variables."""
    await expect(explorer.page).to_have_title("Scenewire")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"createJob"')
    await expect(explorer.clips).to_have_count(3)
    await explorer.page.evaluate(NOTE_STAGES)
    job_id = await explorer.remembered_job.inner_text()
    await server.settled(job_id)
    await expect(explorer.clips.get_by_text("COMPLETED")).to_have_count(3)
    await expect(explorer.video).to_contain_text("Joined video")
    await expect(explorer.video).to_contain_text("0:09")
    assert "3 scenes ready, joining the clips" in await explorer.page.evaluate("stages")
    await explorer.page.screenshot(path=tmp_path / "explorer.png")
    played = await explorer.video.locator("video").evaluate(PLAY_AND_SEEK)
    assert played == {"duration": pytest.approx(9, abs=0.2), "seekedTo": 7}

    await explorer.open("WatchJob")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"__typename": "JobSnapshot"')
    await expect(explorer.stream).to_have_text("live")
    await server.execute(RENAME, {"jobId": job_id, "title": "A night at the lighthouse"})
    await expect(explorer.response).to_contain_text('"type": "JOB_UPDATED"')
    await expect(explorer.steps).to_contain_text("JOB_UPDATED")
    await explorer.run()

    await explorer.open("QueryClips")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"title": "A night at the lighthouse"')
    await expect(explorer.response).to_contain_text("take_")
    await expect(explorer.response).to_contain_text('"durationSeconds": 9')

    await explorer.open("RegenerateScene")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"regenerateScene"')
    await expect(explorer.steps).to_contain_text("SCENE_REGENERATED · scene 1")
    await expect(explorer.video).to_have_count(0)
    await server.settled(job_id)

    await explorer.open("SelectTake")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"number": 1')
    await expect(explorer.steps).to_contain_text("SCENE_TAKE_SELECTED · scene 1")
    await expect(explorer.video).to_be_visible()
    await explorer.page.screenshot(path=tmp_path / "take-selected.png")

    await explorer.open("Models")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"local/')

    await explorer.open("ContinueFromTake")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"aspectRatio": "9:16"')
    await expect(explorer.response).to_contain_text('"role": "FIRST_FRAME"')
    await expect(explorer.clips).to_have_count(4)

    await explorer.open("CreateAsset")
    await explorer.run()
    await expect(explorer.response).to_contain_text('"status": "WAITING"')
    await expect(explorer.response).to_contain_text('"resumable": true')


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
    created = await server.execute(CREATE_ELSEWHERE, {})
    job = created["createJob"]["job"]
    await server.execute(COMPLETE, {"sceneId": job["scenes"]["nodes"][0]["id"]})
    await explorer.show_job(job["id"])
    await expect(explorer.clips).to_contain_text("COMPLETED")
    await expect(explorer.clips_pane).to_contain_text("The clips were not joined.")


@pytest.mark.browser
async def test_an_empty_job_id_without_a_remembered_one_is_an_error(explorer: Explorer) -> None:
    """The operation is not sent to the server."""
    await explorer.open("WatchJob")
    await explorer.run()
    await expect(explorer.response).to_contain_text("The jobId is empty")


async def test_every_prepared_operation_is_valid(server: Server) -> None:
    """They validate against the schema of the server."""
    introspection = await server.execute(get_introspection_query(), {})
    schema = build_client_schema(cast("IntrospectionQuery", introspection))
    problems = {path.name: validate(schema, parse(path.read_text("utf-8"))) for path in OPERATIONS}
    assert problems == {path.name: [] for path in OPERATIONS}
    assert OPERATIONS
