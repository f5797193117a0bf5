"""The explorer of a server that asks everybody who they are."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, WebSocket, expect

from tests.support.browser_page import browsed
from tests.support.explorer import Explorer, Server
from tests.support.server_process import ROOT, ServerProcess
from tests.support.tokens import production_server, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = "Authentication is required"
HOW = "under Headers, below the operation"
NOT_ACCEPTED = "The token is not accepted"
EXPIRED = "The token has expired"
CREATE_JOB = """
mutation Create($scenes: [NewSceneInput!]!, $start: Boolean!) {
  createJob(input: { title: "Hers", scenes: $scenes, start: $start }) { job { id } errors { message } }
}
"""
SCENE = {"title": "Kite", "prompt": "A kite", "durationSeconds": 1}
RENAME = """
mutation Rename($jobId: ID!) { updateJob(input: { jobId: $jobId, title: "Renamed" }) { errors { message } } }
"""

KEPT = "() => (localStorage['graphiql:queries'] ?? '').includes('viewer')"
LASTS_LESS_THAN = """
([url, seconds]) => new URL(url).searchParams.get('expires') - Date.now() / 1000 < seconds
"""
PLAYS = """
(video) => new Promise((done, fail) => {
  video.loop = true
  video.addEventListener('timeupdate', done, { once: true })
  video.addEventListener('error', () => fail(new Error(video.error.message)), { once: true })
  video.play().catch(() => undefined)
})
"""


class Sockets:
    """The websockets of a page, each as what its client said first."""

    def __init__(self, page: Page) -> None:
        self.inits: list[Any] = []
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)

    def _sent(self, frame: str | bytes) -> None:
        message = json.loads(frame)
        if message["type"] == "connection_init":
            self.inits.append(message.get("payload"))


async def visited(page: Page, server: Server) -> Explorer:
    """The page, opened."""
    await page.goto(f"{server.url}/graphql")
    await expect(page.get_by_role("region", name="Operation Editor")).to_contain_text("Welcome to Scenewire")
    return Explorer(page)


async def entered(page: Page, server: Server, bearer_token: str) -> Explorer:
    """The page, opened and shown a token that is accepted."""
    explorer = await visited(page, server)
    await expect(explorer.alert).to_contain_text(WHO)
    await explorer.say(bearer(bearer_token))
    await expect(explorer.alert).to_have_count(0)
    return explorer


def bearer(value: str) -> str:
    """What is typed under Headers."""
    return json.dumps({"Authorization": f"Bearer {value}"})


async def a_job(server: Server, *scenes: dict[str, Any], start: bool = False) -> str:
    """Its id."""
    created = await server.execute(CREATE_JOB, {"scenes": scenes or [SCENE], "start": start})
    return created["createJob"]["job"]["id"]


async def watch(explorer: Explorer, job_id: str) -> None:
    """Opens the tab that watches, and has it watch this job."""
    await explorer.open("WatchIt")
    await explorer.write(
        f'subscription WatchIt {{ jobEvents(jobId: "{job_id}") {{ ... on JobSnapshot {{ job {{ id }} }} }} }}'
    )
    await explorer.run()


@pytest.mark.browser
async def test_a_token_under_headers_opens_everything(
    browser: Browser, production: ServerProcess, amys: Server, tmp_path: Path
) -> None:
    """Typed once, minted by the command line: docs, a mutation, the live pane and a subscription in another tab."""
    command = [sys.executable, "-m", "server", "token", "--sub", "amy", "--ttl", "1h"]
    minted = subprocess.run(command, cwd=ROOT, env=production.environment, capture_output=True, check=True, text=True)  # noqa: ASYNC221 # nothing else goes on
    async with browsed(browser, amys, refusals=[401, 401]) as page:
        sockets = Sockets(page)
        explorer = await visited(page, amys)
        await expect(explorer.alert).to_contain_text(WHO)
        await expect(explorer.alert).to_contain_text(HOW)
        await page.screenshot(path=tmp_path / "who.png")
        await explorer.run()
        await expect(explorer.response).to_contain_text("UNAUTHENTICATED")

        await explorer.say(bearer(minted.stdout.strip()))
        await explorer.run()
        await expect(explorer.response).to_contain_text('"createJob"')
        await expect(explorer.clips).to_have_count(3)
        await expect(explorer.alert).to_have_count(0)
        await page.screenshot(path=tmp_path / "rendering.png")

        await explorer.open("WatchIt")
        await explorer.run()
        await expect(explorer.response).to_contain_text('"__typename": "JobSnapshot"')
        await page.get_by_role("button", name="Show Documentation Explorer").click()
        await expect(explorer.docs).to_contain_text("mutation: Mutation")
    assert {init["authorization"] for init in sockets.inits} == {f"Bearer {minted.stdout.strip()}"}


@pytest.mark.browser
async def test_a_wrong_token_is_said_so_once_and_a_right_one_goes_on(
    browser: Browser, amys: Server, tmp_path: Path
) -> None:
    """In the response and in the pane, without trying again and again; the socket is made anew for another token."""
    job_id = await a_job(amys)
    async with browsed(browser, amys, refusals=[401, 401, 401]) as page:
        sockets = Sockets(page)
        explorer = await visited(page, amys)
        await explorer.say(bearer("wrong"))
        await expect(explorer.alert).to_contain_text(NOT_ACCEPTED)
        await watch(explorer, job_id)
        await expect(explorer.response).to_contain_text(NOT_ACCEPTED)
        await expect(explorer.response).to_contain_text(HOW)
        await page.screenshot(path=tmp_path / "wrong.png")
        tried = len(sockets.inits)

        await explorer.say(bearer(amys.token or ""))
        await explorer.run()
        await expect(explorer.response).to_contain_text(job_id)
        await expect(explorer.alert).to_have_count(0)
        await explorer.look_at(job_id)
        await expect(explorer.stream).to_have_text("live")

        another = bearer(token("amy", name="Amy"))
        async with page.expect_websocket():
            await explorer.say(another)
        await expect(explorer.stream).to_have_text("live")
        await amys.execute(RENAME, {"jobId": job_id})
        await expect(explorer.steps).to_contain_text("JOB_UPDATED")
    assert tried == 1
    assert sockets.inits[-1] == {"authorization": json.loads(another)["Authorization"]}


@pytest.mark.browser
async def test_a_token_that_expires_ends_the_stream_and_says_so(browser: Browser, amys: Server, tmp_path: Path) -> None:
    """In both panes; nothing is asked for after that, and what was seen stays."""
    job_id = await a_job(amys)
    async with browsed(browser, amys, refusals=[401]) as page:
        sockets = Sockets(page)
        explorer = await entered(page, amys, token("amy", lasts=12))
        await explorer.look_at(job_id)
        await watch(explorer, job_id)
        await expect(explorer.response).to_contain_text(job_id)
        await expect(explorer.response).to_contain_text(EXPIRED)
        await expect(explorer.alert).to_contain_text(EXPIRED)
        await expect(explorer.stream).to_have_text("")
        await page.screenshot(path=tmp_path / "expired.png")
    assert len(sockets.inits) == 1


@pytest.mark.browser
async def test_a_schema_that_is_kept_secret_leaves_the_page_usable(browser: Browser, tmp_path: Path) -> None:
    """The docs say why there are none, having asked once for each token; operations run."""
    async with production_server(tmp_path, explorer=True) as place:
        server = Server(place.app.url)
        async with browsed(browser, server, refusals=[401, 400]) as page:
            explorer = await entered(page, server, token("amy"))
            await page.get_by_role("button", name="Show Documentation Explorer").click()
            await expect(explorer.docs).to_contain_text("introspection")
            await expect(explorer.docs).to_contain_text("SCENEWIRE_INTROSPECTION")
            # GraphiQL may forget to keep one that is answered before it has drawn that it waits.
            await explorer.write("query Me { viewer { id } }")
            async with asyncio.timeout(60):
                while not await page.evaluate(KEPT):
                    await explorer.run()
                    await expect(explorer.response).to_contain_text('"id": "amy"')
                    await asyncio.sleep(0.5)
            await page.screenshot(path=tmp_path / "no-docs.png")
            assert "Bearer ey" not in await page.evaluate("JSON.stringify(localStorage)")  # not in the history either


@pytest.mark.browser
async def test_a_clip_plays_on_while_its_address_changes_and_again_when_it_has_expired(
    browser: Browser, amys: Server
) -> None:
    """The element keeps the address that it began with; when that leads nowhere, a new one is asked for."""
    job_id = await a_job(amys, start=True)
    await amys.settled(job_id)
    async with browsed(browser, amys, refusals=[401, 404]) as page:
        explorer = await entered(page, amys, amys.token or "")
        await explorer.look_at(job_id)
        clip = explorer.clips.locator("video")
        await clip.evaluate(PLAYS)
        first = await clip.get_attribute("src") or ""
        await page.wait_for_function(LASTS_LESS_THAN, arg=[first, 0])
        await clip.evaluate("(video) => video.load()")
        await expect(clip).not_to_have_attribute("src", first)
        await clip.evaluate(PLAYS)

        second = await clip.get_attribute("src")
        await clip.evaluate("(video) => { video.loads = 0; video.addEventListener('emptied', () => video.loads++) }")
        await page.wait_for_function(LASTS_LESS_THAN, arg=[second, 2])
        await amys.execute(RENAME, {"jobId": job_id})
        await expect(explorer.steps).to_contain_text("JOB_UPDATED")
        assert (await clip.get_attribute("src"), await clip.evaluate("(video) => video.loads")) == (second, 0)
