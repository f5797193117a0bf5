"""What tests of the Python client share: its client of a server in the loop, and what a follower was shown."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from scenewire import Client, ConnectionState, Event, Job, Message, Snapshot
from tests.support import jobs
from tests.support.client import Client as RawClient
from tests.support.waiting import TIMEOUT_SECONDS


class Follower:
    """Follows one job in a task, and checks each message: no gap, no repeat, and nothing shown that is older."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.states: list[ConnectionState] = []
        self.error: Exception | None = None
        self.ended = False
        self.version: int | None = None
        self._changed = asyncio.Condition()

    @property
    def job(self) -> Job:
        """The job as it is shown."""
        return self.messages[-1].job

    @property
    def events(self) -> list[int]:
        """The version of each event."""
        return [message.version for message in self.messages if isinstance(message, Event)]

    @property
    def reasons(self) -> list[str]:
        """The reason of each snapshot."""
        return [message.reason for message in self.messages if isinstance(message, Snapshot)]

    async def run(self, client: Client, job_id: str, **options: Any) -> None:
        """Follow until the stream ends."""
        try:
            async with aclosing(client.follow(job_id, on_state=self.states.append, **options)) as messages:
                async for message in messages:
                    self._check(message)
                    self.messages.append(message)
                    await self._notify()
            self.ended = True
        except Exception as error:
            self.error = error
        await self._notify()

    async def until(self, version: int) -> None:
        """Wait until the events up to a version were received, or the stream is over."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: (self.version or 0) >= version or self.ended or self.error is not None)
        assert (self.version or 0) >= version, (self.version, self.error, self.states)

    def _check(self, message: Message) -> None:
        shown = self.messages[-1].job if self.messages else None
        match message:
            case Snapshot():
                self.version = message.version
            case Event():
                assert self.version is None or message.version == self.version + 1, (message.version, self.version)
                self.version = message.version
            case _:
                assert shown is not None
                assert message.job.version == shown.version
        if shown is not None:
            assert message.job.version >= shown.version
            same = message.job.version == shown.version
            assert not same or message.job.progress.percentage >= shown.progress.percentage
        assert message.job.progress.version == message.job.version

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def following(client: Client, job_id: str, **options: Any) -> AsyncGenerator[Follower]:
    """Follow a job until the end of the block."""
    follower = Follower()
    task = asyncio.create_task(follower.run(client, job_id, **options))
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def change_at_random(client: RawClient, made: jobs.Made, changes: int) -> int:
    """Make seeded random changes to an external job, progress included. Return the version of the last."""
    chance, version = jobs.seeded("changes"), made.version
    for number in range(changes):
        scene_id = chance.choice(made.scenes)
        match chance.randrange(4):
            case 0:
                version = await jobs.change(client, "addScene", jobId=made.id, scene=jobs.scene(f"New {number}"))
            case 1:
                place = chance.randrange(len(made.scenes))
                version = max(version, await jobs.change(client, "moveScene", sceneId=scene_id, position=place))
            case 2:
                fields = {"status": "PROCESSING", "percentage": chance.uniform(1, 99)}
                payload = await client.mutate(
                    "updateScene", "job { version } errors { code }", sceneId=scene_id, **fields
                )
                version = payload["job"]["version"] if payload["job"] else version
            case _:
                version = await jobs.retitle(client, made.id, f"Title {number}")
    return version
