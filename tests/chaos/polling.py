"""A line of a client that polls: Job.events, page by page."""

import asyncio
import random
from collections import deque
from typing import Any

from tests.chaos.api import Api, Lost, Unsent
from tests.chaos.lines import Leaving
from tests.chaos.screen import FIRST_POLL, POLL, document
from tests.chaos.violations import Kind, Violation

Json = dict[str, Any]
POLL_SECONDS = 0.1


class PollingLine:
    """Requests in place of a connection."""

    def __init__(self, api: Api, job_id: str, after: int | None, chance: random.Random) -> None:
        self._api = api
        self._job_id = job_id
        self._after = after
        self._first = chance.choice([1, 3, 100])
        self._page: deque[Json] = deque()
        self._wide = chance.random() < 0.2

    async def message(self) -> Json:
        """The next message: the state when no version was named, then the log."""
        if self._after is None:
            return await self._state()
        while not self._page:
            variables: Json = {"jobId": self._job_id, "after": self._after, "first": self._first}
            self._page.extend((await self._ask(document(POLL, wide=self._wide), variables))["events"])
            if not self._page:
                await asyncio.sleep(POLL_SECONDS)
        event = self._page.popleft()
        self._after = event["version"]
        return event

    async def leave(self, how: Leaving) -> None:
        """There is nobody to leave, but a request can be dropped."""
        if how is not Leaving.POLITELY:
            variables: Json = {"jobId": self._job_id, "after": 0, "first": 100}
            try:
                await self._api.ask(document(POLL), variables, hang_up=1.0)
            except (Unsent, Lost):
                return

    def cut(self) -> None:
        """Nothing is open between polls."""

    async def _state(self) -> Json:
        job = await self._ask(document(FIRST_POLL), {"jobId": self._job_id})
        self._after = job["version"]
        return {"kind": "JobSnapshot", "reason": "INITIAL", "version": job["version"], "job": job}

    async def _ask(self, text: str, variables: Json) -> Json:
        try:
            job = (await self._api.ask(text, variables))["job"]
        except (Unsent, Lost) as error:
            raise ConnectionError from error
        if job is None:
            raise Violation(Kind.LOST, f"{self._job_id} was created and is not there")
        return job
