"""The connection of a client that polls: Job.events, page by page."""

import asyncio
import random
from collections import deque
from typing import Any

from tests.chaos.api import AnswerLost, Api, NotSent
from tests.chaos.client_view import FIRST_POLL, POLL, document
from tests.chaos.connection import Leave
from tests.support.violations import Kind, Violation

Json = dict[str, Any]
POLL_SECONDS = 0.1


class PollingConnection:
    """Requests in place of a stream."""

    def __init__(self, api: Api, job_id: str, after: int | None, random_source: random.Random) -> None:
        self._api = api
        self._job_id = job_id
        self._after = after
        self._page_size = random_source.choice([1, 3, 100])
        self._page: deque[Json] = deque()
        self._padded = random_source.random() < 0.2

    async def message(self) -> Json:
        """Return the next message: a snapshot if no version was given, then the log."""
        if self._after is None:
            return await self._snapshot()
        while not self._page:
            variables: Json = {"jobId": self._job_id, "after": self._after, "first": self._page_size}
            self._page.extend((await self._job(document(POLL, padded=self._padded), variables))["events"])
            if not self._page:
                await asyncio.sleep(POLL_SECONDS)
        event = self._page.popleft()
        self._after = event["version"]
        return event

    async def leave(self, how: Leave) -> None:
        """Nothing is open, but a request can be aborted."""
        if how is not Leave.CLOSE:
            variables: Json = {"jobId": self._job_id, "after": 0, "first": 100}
            try:
                await self._api.execute(document(POLL), variables, hang_up=1.0)
            except (NotSent, AnswerLost):
                return

    def abort(self) -> None:
        """Do nothing: between polls nothing is open."""

    async def _snapshot(self) -> Json:
        job = await self._job(document(FIRST_POLL), {"jobId": self._job_id})
        self._after = job["version"]
        return {"kind": "JobSnapshot", "reason": "INITIAL", "version": job["version"], "job": job}

    async def _job(self, text: str, variables: Json) -> Json:
        try:
            job = (await self._api.execute(text, variables))["job"]
        except (NotSent, AnswerLost) as error:
            raise ConnectionError from error
        if job is None:
            raise Violation(Kind.LOST_CHANGE, f"{self._job_id} was created and does not exist")
        return job
