"""The JavaScript client in a process of its own, which reports what it shows and asks the test for tokens."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from subprocess import PIPE

from tests.support import node_runtime
from tests.support.client import Json
from tests.support.javascript_clients import FOLDER
from tests.support.waiting import TIMEOUT_SECONDS

PROGRAM = FOLDER / "javascript" / "tests" / "follow.js"
LINE_BYTES = 2**24


class JavaScriptFollower:
    """Follows a job and the list of all jobs, and runs requests."""

    def __init__(self, process: asyncio.subprocess.Process, token: Callable[[str | None], str | None]) -> None:
        self.states: list[str] = []
        self.jobs: list[Json] = []
        """Each shown state of the job."""
        self.messages: list[Json] = []
        self.lists: list[list[Json]] = []
        self.answers: list[Json] = []
        """The outcomes of requests: `data` or `failed`."""
        self.ends: list[str | None] = []
        self._process = process
        self._token = token
        self._changed = asyncio.Condition()

    def request(self, document: str) -> None:
        """Run a query or mutation."""
        self._say({"request": document})

    async def until(self, true: Callable[["JavaScriptFollower"], bool]) -> None:
        """Wait until something is true of it."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: true(self))

    async def read(self) -> None:
        """Take in what it prints, until it ends."""
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            self._receive(json.loads(text))
            async with self._changed:
                self._changed.notify_all()

    def _receive(self, line: Json) -> None:
        match line:
            case {"ask": refused}:
                self._say({"token": self._token(refused)})
            case {"state": state}:
                self.states.append(state)
            case {"job": job, "message": message}:
                self.jobs.append(job)
                self.messages.append(message)
            case {"jobs": jobs}:
                self.lists.append(jobs)
            case {"end": reason}:
                self.ends.append(reason)
            case _:
                self.answers.append(line)

    def _say(self, line: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(line)}\n".encode())


def no_token(_refused: str | None) -> None:
    """Return no token: requests in development need none."""


@asynccontextmanager
async def javascript_follower(
    address: str, job_id: str, token: Callable[[str | None], str | None] = no_token
) -> AsyncGenerator[JavaScriptFollower]:
    """Follow a job until the block ends. `token` is called with the refused token, like that of the client."""
    command = [node_runtime.node(), "--experimental-websocket", "--no-warnings", str(PROGRAM), address, job_id]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES)
    follower = JavaScriptFollower(process, token)
    reading = asyncio.create_task(follower.read())
    try:
        yield follower
    finally:
        process.kill()
        await process.wait()
        await reading
