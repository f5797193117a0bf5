"""Writers: each sends random commands, one after another, and records what the server acknowledged."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.chaos.api import AnswerLost, Api, NotSent
from tests.chaos.commands import MAX_SCENES, Command, JobView, choose_command, create_job, deliver
from tests.chaos.history import Change, History
from tests.chaos.shared_state import SharedState, Topic
from tests.support.violations import Kind, Violation

Json = dict[str, Any]

VIEW = """query($id: ID!) {
    job(id: $id) { version status provider scenes { nodes { id status version position } } }
}"""
# Refusals that races between writers explain; any other means that an acknowledged change was lost.
EXPECTED_REFUSALS = frozenset(
    {
        "VALIDATION_FAILED",
        "INVALID_TRANSITION",
        "NOT_REGENERABLE",
        "JOB_PROCESSING",
        "ALREADY_DELETED",
        "STALE_TAKE",
        "STALE_VERSION",
        "LIMIT_EXCEEDED",
    }
)
RETRY_SECONDS = 0.1
# The probability that the client does not wait for the answer; with a key it can retry.
HANG_UP, HANG_UP_WITH_KEY = 0.03, 0.3
# Large enough that messages about a hot job soon fill the buffers of a subscriber that does not read.
PADDING_CHARACTERS = 12_000


class Writer:
    """One client that changes jobs."""

    def __init__(self, name: str, url: str, shared: SharedState, history: History) -> None:
        self._name = name
        self._shared = shared
        self._history = history
        self._random = shared.random_source(name)
        self._api = Api(url, self._random)
        self._keys = 0

    async def create(self, provider: str, *, hot: bool) -> Topic:
        """Create a job and add it to the run."""
        padding = PADDING_CHARACTERS if hot else 0
        scenes = self._random.randint(1, MAX_SCENES - 2)
        job = await self._send(create_job(self._random, self._new_key(), provider, scenes, padding), None)
        assert job is not None
        topic = Topic(job["id"], provider, hot)
        self._shared.add(topic)
        self._shared.acknowledge(topic.job_id, job["version"])
        return topic

    async def write(self, until: asyncio.Event, pick: Callable[[], Topic], pause_seconds: float) -> None:
        """Change picked jobs, with pauses, until the event."""
        while not until.is_set():
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * pause_seconds)
            topic = pick()
            view = await self._read(topic)
            if view is not None:
                key, clips = self._new_key(), self._shared.clips
                await self._change(choose_command(self._random, view, key, topic.provider, clips), view)

    async def cancel(self, topic: Topic) -> None:
        """Cancel a job until it is settled."""
        while (view := await self._read(topic)) is None or view.status == "PROCESSING":
            if view is not None:
                fields = {"jobId": topic.job_id, "idempotencyKey": self._new_key()}
                await self._change(Command("cancelJob", fields, "JOB_CANCELED", certain=False), view)

    async def deliver(self, topic: Topic) -> None:
        """Report a clip to be adopted for each scene of a job."""
        while (view := await self._read(topic)) is None:
            pass
        for scene in view.scenes:
            await self._change(deliver(scene, self._new_key(), self._shared.clips), view)

    async def version(self, topic: Topic) -> int:
        """Return the version of a job by a query."""
        while (view := await self._read(topic)) is None:
            pass
        return view.version

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _read(self, topic: Topic) -> JobView | None:
        """Return the job; None while the server is down."""
        try:
            job = (await self._api.execute(VIEW, {"id": topic.job_id}))["job"]
        except (NotSent, AnswerLost):
            await asyncio.sleep(RETRY_SECONDS)
            return None
        if job is None:
            raise Violation(Kind.LOST_CHANGE, f"{topic.job_id} was created and does not exist")
        return JobView(topic.job_id, job["version"], job["status"], job["scenes"]["nodes"])

    async def _change(self, command: Command, view: JobView) -> None:
        job = await self._send(command, view)
        if job is not None:
            self._shared.acknowledge(view.id, job["version"])

    async def _send(self, command: Command, view: JobView | None) -> Json | None:
        """Send a command, with retries if it has a key; return the job, None when refused or the answer was lost."""
        retries, keyed = 0, "idempotencyKey" in command.input
        hang_up = HANG_UP_WITH_KEY if keyed else HANG_UP
        while True:
            try:
                answer = await self._api.execute(command.document, {"input": command.input}, hang_up=hang_up)
                break
            except NotSent:
                await asyncio.sleep(RETRY_SECONDS)
            except AnswerLost:
                retries += 1
                self._shared.amounts["answers lost"] += 1
                if not keyed:
                    self._record(command, view, None)
                    return None
        payload = answer[command.mutation]
        if payload["errors"]:
            self._check_refusal(command, payload["errors"])
            return None
        self._shared.amounts["mutations"] += 1
        self._shared.amounts["retries with a key"] += retries
        self._record(command, view, payload)
        return payload["job"]

    def _check_refusal(self, command: Command, errors: list[Json]) -> None:
        codes = {error["code"] for error in errors}
        if not codes <= EXPECTED_REFUSALS:
            raise Violation(Kind.LOST_CHANGE, f"{command} was refused with {errors}")
        self._shared.amounts["refusals"] += 1

    def _record(self, command: Command, view: JobView | None, payload: Json | None) -> None:
        """Record the change that the log must have, or may have if the answer was lost."""
        if not command.action:
            return
        after, upto = 0 if view is None else view.version, None
        job_id, scene_id = "" if view is None else view.id, command.scene_id
        if payload is not None:
            job_id, upto = payload["job"]["id"], payload["job"]["version"]
            if command.mutation == "addScene":
                scene_id = payload["scene"]["id"]
        if command.version is not None:
            after = command.version - 1
            upto = None if upto is None else command.version
        acknowledged = command.certain and payload is not None
        self._history.record(Change(job_id, scene_id, command.action, command.value, after, upto, acknowledged))

    def _new_key(self) -> str:
        self._keys += 1
        return f"{self._name}-{self._keys}"
