"""The explorer page of a production server: authentication, expiry, and media URLs that expire."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, WebSocket, expect
from playwright.async_api import Error as PlaywrightError

from tests.support.browser_page import TIMEOUT_MS, isolated_page
from tests.support.explorer import Explorer, Server
from tests.support.server_process import ROOT, ServerProcess
from tests.support.tokens import production_server, token
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNAUTHENTICATED = "Authentication is required"
TOKEN_HINT = "under Headers, below the operation"
REJECTED = "The token is not accepted"
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

HISTORY_HAS_VIEWER = "() => (localStorage['graphiql:queries'] ?? '').includes('viewer')"
EXPIRES_WITHIN = """
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
    """Records the payload of each connection_init that a page sends."""

    def __init__(self, page: Page) -> None:
        self.inits: list[Any] = []
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)

    def _sent(self, frame: str | bytes) -> None:
        message = json.loads(frame)
        if message["type"] == "connection_init":
            self.inits.append(message.get("payload"))


async def open_explorer(page: Page, server: Server) -> Explorer:
    """Open the explorer page."""
    explorer = Explorer(page)
    await explorer.visit(f"{server.url}/graphql")
    return explorer


async def open_authenticated(page: Page, server: Server, bearer_token: str) -> Explorer:
    """Open the explorer page and enter a valid token."""
    explorer = await open_explorer(page, server)
    await expect(explorer.alert).to_contain_text(UNAUTHENTICATED)
    await explorer.set_headers(bearer(bearer_token))
    await expect(explorer.alert).to_have_count(0)
    return explorer


def bearer(value: str) -> str:
    """Return the JSON of the Headers editor."""
    return json.dumps({"Authorization": f"Bearer {value}"})


async def create_job(server: Server, *scenes: dict[str, Any], start: bool = False) -> str:
    """Create a job and return its id."""
    created = await server.execute(CREATE_JOB, {"scenes": scenes or [SCENE], "start": start})
    return created["createJob"]["job"]["id"]


async def watch(explorer: Explorer, job_id: str) -> None:
    """Run a subscription to the job in the tab Watch job."""
    await explorer.open("Watch job")
    await explorer.write(
        f'subscription WatchJob {{ jobEvents(jobId: "{job_id}") {{ ... on JobSnapshot {{ job {{ id }} }} }} }}'
    )
    await explorer.run()


@pytest.mark.browser
async def test_a_token_in_the_headers_editor_authenticates_every_tab(
    browser: Browser, production: ServerProcess, amys: Server, tmp_path: Path
) -> None:
    """A token of the command line, typed once, is used by the docs, a mutation, the clips pane and another tab."""
    command = [sys.executable, "-m", "server", "token", "--sub", "amy", "--ttl", "1h"]
    minted = subprocess.run(command, cwd=ROOT, env=production.environment, capture_output=True, check=True, text=True)  # noqa: ASYNC221 # no concurrent task to block
    async with isolated_page(browser, amys, expected_statuses=[401, 401]) as page:
        sockets = Sockets(page)
        explorer = await open_explorer(page, amys)
        await expect(explorer.alert).to_contain_text(UNAUTHENTICATED)
        await expect(explorer.alert).to_contain_text(TOKEN_HINT)
        await page.screenshot(path=tmp_path / "unauthenticated.png")
        await explorer.run()
        await expect(explorer.response).to_contain_text("UNAUTHENTICATED")

        await explorer.set_headers(bearer(minted.stdout.strip()))
        await explorer.run()
        await expect(explorer.response).to_contain_text('"createJob"')
        await expect(explorer.clips).to_have_count(3)
        await expect(explorer.alert).to_have_count(0)
        await page.screenshot(path=tmp_path / "rendering.png")

        await explorer.open("Watch job")
        await explorer.run()
        await expect(explorer.messages).to_contain_text("JobSnapshot")
        await page.get_by_role("button", name="Show Documentation Explorer").click()
        await expect(explorer.docs).to_contain_text("mutation: Mutation")
    assert {init["authorization"] for init in sockets.inits} == {f"Bearer {minted.stdout.strip()}"}


@pytest.mark.browser
async def test_a_rejected_token_is_not_retried_and_a_valid_one_reconnects(
    browser: Browser, amys: Server, tmp_path: Path
) -> None:
    """The response and the clips pane show the error; a new token opens a new socket."""
    job_id = await create_job(amys)
    async with isolated_page(browser, amys, expected_statuses=[401, 401, 401]) as page:
        sockets = Sockets(page)
        explorer = await open_explorer(page, amys)
        await explorer.set_headers(bearer("wrong"))
        await expect(explorer.alert).to_contain_text(REJECTED)
        await watch(explorer, job_id)
        await expect(explorer.response).to_contain_text(REJECTED)
        await expect(explorer.response).to_contain_text(TOKEN_HINT)
        await page.screenshot(path=tmp_path / "wrong.png")
        attempts = len(sockets.inits)

        await explorer.set_headers(bearer(amys.token or ""))
        await explorer.run()
        await expect(explorer.response).to_contain_text(job_id)
        await expect(explorer.alert).to_have_count(0)
        await explorer.show_job(job_id)
        await expect(explorer.stream).to_have_text("live")

        another = bearer(token("amy", name="Amy"))
        async with page.expect_websocket():
            await explorer.set_headers(another)
        await expect(explorer.stream).to_have_text("live")
        await amys.execute(RENAME, {"jobId": job_id})
        await expect(explorer.steps).to_contain_text("JOB_UPDATED")
    assert attempts == 1
    assert sockets.inits[-1] == {"authorization": json.loads(another)["Authorization"]}


@pytest.mark.browser
async def test_an_expired_token_ends_the_streams_with_a_message(browser: Browser, amys: Server, tmp_path: Path) -> None:
    """In both panes, without a reconnect; the last state stays visible."""
    job_id = await create_job(amys)
    for seconds in (12, 48, 192):
        with suppress(ExpiredTooEarly):
            await check_streams_that_end_with_their_token(browser, amys, job_id, seconds, tmp_path)
            return
    pytest.fail("the machine was too slow to open the streams before the token expired")


class ExpiredTooEarly(Exception):
    """A token expired before the page had opened its streams."""


async def check_streams_that_end_with_their_token(
    browser: Browser, server: Server, job_id: str, seconds: float, folder: Path
) -> None:
    """Check the page when the token of its streams expires after `seconds`. Raises ExpiredTooEarly."""
    async with isolated_page(browser, server, expected_statuses=[401]) as page:
        sockets = Sockets(page)
        short, expires_at = token("amy", lasts=seconds), time.monotonic() + seconds
        expect.set_options(timeout=1_000 * seconds)
        try:
            explorer = await open_authenticated(page, server, short)
            await explorer.show_job(job_id)
            await watch(explorer, job_id)
            await expect(explorer.response).to_contain_text(job_id)
        except (AssertionError, PlaywrightError):
            if time.monotonic() < expires_at:
                raise
            raise ExpiredTooEarly from None
        finally:
            expect.set_options(timeout=TIMEOUT_MS)
        await expect(explorer.response).to_contain_text(EXPIRED)
        await expect(explorer.alert).to_contain_text(EXPIRED)
        await expect(explorer.stream).to_have_text("")
        await page.screenshot(path=folder / "expired.png")
    assert len(sockets.inits) == 1


@pytest.mark.browser
async def test_operations_run_without_introspection(browser: Browser, tmp_path: Path) -> None:
    """The docs pane shows the reason, after one introspection query per token."""
    async with production_server(tmp_path, explorer=True) as place:
        server = Server(place.app.url)
        async with isolated_page(browser, server, expected_statuses=[401, 400]) as page:
            explorer = await open_authenticated(page, server, token("amy"))
            await page.get_by_role("button", name="Show Documentation Explorer").click()
            await expect(explorer.docs).to_contain_text("introspection")
            await expect(explorer.docs).to_contain_text("SCENEWIRE_INTROSPECTION")
            # GraphiQL may not store an operation whose response arrives before its spinner is drawn.
            await explorer.write("query Me { viewer { id } }")
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not await page.evaluate(HISTORY_HAS_VIEWER):
                    await explorer.run()
                    await expect(explorer.response).to_contain_text('"id": "amy"')
                    await asyncio.sleep(0.5)
            await page.screenshot(path=tmp_path / "no-docs.png")
            assert "Bearer ey" not in await page.evaluate("JSON.stringify(localStorage)")  # nor in the history


@pytest.mark.browser
async def test_a_clip_plays_on_when_its_url_is_renewed_and_reloads_when_it_expires(
    browser: Browser, amys: Server
) -> None:
    """The video element keeps its first URL, and requests a new one when that returns 404."""
    job_id = await create_job(amys, start=True)
    await amys.settled(job_id)
    async with isolated_page(browser, amys, expected_statuses=[401, 404]) as page:
        explorer = await open_authenticated(page, amys, amys.token or "")
        await explorer.show_job(job_id)
        clip = explorer.clips.locator("video")
        await clip.evaluate(PLAYS)
        first = await clip.get_attribute("src") or ""
        await page.wait_for_function(EXPIRES_WITHIN, arg=[first, 0])
        await clip.evaluate("(video) => video.load()")
        await expect(clip).not_to_have_attribute("src", first)
        await clip.evaluate(PLAYS)

        second = await clip.get_attribute("src")
        await clip.evaluate("(video) => { video.loads = 0; video.addEventListener('emptied', () => video.loads++) }")
        await page.wait_for_function(EXPIRES_WITHIN, arg=[second, 2])
        await amys.execute(RENAME, {"jobId": job_id})
        await expect(explorer.steps).to_contain_text("JOB_UPDATED")
        assert (await clip.get_attribute("src"), await clip.evaluate("(video) => video.loads")) == (second, 0)
