"""Page objects of the browser tests: the explorer page and the API behind it."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

import httpx
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport
from playwright.async_api import Page, expect

LONGEST_RENDER_SECONDS = 120
SETTLED = """
subscription Settled($jobId: ID!) {
  jobEvents(jobId: $jobId, untilSettled: true) { __typename }
}
"""


class Explorer:
    """The explorer page: its panes as locators, and the actions of a user."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.response = page.get_by_role("region", name="Result Window")
        self.messages = page.get_by_role("region", name="Messages")
        self.editor = page.get_by_role("region", name="Operation Editor")
        self.variables = page.locator("[data-uri$='-variables.json']")
        self.clips = page.get_by_role("article")
        self.video = page.get_by_role("figure")
        self.clips_pane = page.get_by_role("region", name="Clips")
        self.alert = self.clips_pane.get_by_role("alert")
        self.docs = page.get_by_role("region", name="Documentation Explorer")
        self.steps = page.get_by_role("list", name="Steps")
        self.stream = page.get_by_role("status")
        self.remembered_job = page.get_by_title("Copy jobId")

    async def visit(self, url: str) -> None:
        """Open the page for the first time, with its first tab."""
        await self.page.goto(url)
        await expect(self.editor).to_contain_text("Welcome to Scenewire")

    async def open(self, tab: str) -> None:
        await self.page.get_by_role("tab", name=tab, exact=True).click()

    async def write(self, operation: str) -> None:
        await self._fill("Operation", operation)

    async def set_headers(self, headers: str) -> None:
        """Type the JSON of the Headers editor."""
        await self.page.get_by_role("button", name="Headers", exact=True).click()
        await self._fill("Headers", headers)

    async def show_job(self, job_id: str) -> None:
        """Show a job in the clips pane that was not created on this page."""
        await self.open("Query clips")
        await self.page.get_by_role("button", name="Variables", exact=True).click()
        await self._fill("Variables", json.dumps({"jobId": job_id}))
        await self.run()

    async def _fill(self, editor: str, text: str) -> None:
        await self.page.get_by_role("textbox", name=editor, exact=True).focus()
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.press("Delete")  # text over a selection would get auto-closed brackets
        await self.page.keyboard.insert_text(text)

    async def failures(self) -> int:
        """Return how many errors the response shows."""
        return len(re.findall(r'"message":', await self.response.inner_text()))

    async def run(self) -> None:
        """Run the operation of the open tab, or stop its subscription."""
        await self.page.get_by_role("button", name=re.compile("^(Execute|Stop) query")).click()


@dataclass(frozen=True)
class Server:
    """The API of a running server, as the holder of `token` if given."""

    url: str
    token: str | None = None

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def _headers(self) -> dict[str, str]:
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}

    async def execute(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self.url, headers=self._headers) as client:
            response = await client.post("/graphql", json={"query": operation, "variables": variables})
        answer: dict[str, Any] = response.json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def settled(self, job_id: str) -> None:
        """Wait until the job is completed, failed or canceled."""
        request = gql(SETTLED)
        request.variable_values = {"jobId": job_id}
        transport = WebsocketsTransport(url=f"{self.websocket_url}/graphql", init_payload=self._headers)
        async with asyncio.timeout(LONGEST_RENDER_SECONDS), Client(transport=transport) as session:
            async for _ in session.subscribe(request):
                pass
