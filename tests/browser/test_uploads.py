"""A page of another origin uploads a file with the function of docs/uploads.md."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.support.asset_files import act, at, create, picture
from tests.support.database_choice import database_choice
from tests.support.server_app import running
from tests.support.server_process import ROOT
from tests.support.uvicorn_server import serve

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

SENT = """async ([bytes, target, text]) => {
    const upload = eval(`(${text})`)
    await upload(new Blob([new Uint8Array(bytes)]), target)
    const answer = await fetch(target.url, {method: "HEAD", headers: {"tus-resumable": "1.0.0"}})
    return [answer.status, answer.headers.get("upload-offset")]
}"""


def upload_function() -> str:
    """Return the function of the page."""
    page = (ROOT / "docs" / "uploads.md").read_text("utf-8")
    (text,) = re.findall(r"^```js\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return text


async def empty_page(_request: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>A page</title>")


@pytest_asyncio.fixture(loop_scope="module")
async def other_page(browser: Browser) -> AsyncGenerator[Page]:
    """A page of another port."""
    async with (
        serve(Starlette(routes=[Route("/", empty_page)])) as served,
        await browser.new_page() as page,
    ):
        await page.goto(served.origin)
        yield page


async def test_page_uploads_a_file_and_reads_the_offset(other_page: Page, tmp_path: Path) -> None:
    """Its origin is allowed; a page of any other origin is refused."""
    file = picture(32, 24, "purple")
    with database_choice.use(None):
        origin = other_page.url.rstrip("/")
        for allowed in (origin, "https://app.example.com"):
            folder = tmp_path / allowed.partition("//")[2].partition(":")[0]
            async with running(folder, renders=False, allowed_origins=allowed) as app:
                payload = await create(app, file.announcement())
                target = {**payload["upload"], "url": at(app, payload["upload"]["url"])}
                arguments = [list(file.content), target, upload_function()]
                if allowed == origin:
                    assert await other_page.evaluate(SENT, arguments) == [200, str(len(file.content))]
                    ready = await act(app, "completeAsset", payload["asset"]["id"])
                    assert ready["asset"]["status"] == "READY"
                else:
                    assert await other_page.evaluate(f"(a) => ({SENT})(a).catch(String)", arguments) == (
                        "TypeError: Failed to fetch"
                    )
