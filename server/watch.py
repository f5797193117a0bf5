"""`watch JOB`: a progress bar per scene and one for the job, live from the server's own subscription."""

import asyncio
from contextlib import aclosing
from typing import Any

from gql.transport.exceptions import TransportQueryError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from server.client import LOST, NotLetIn, connect

STATUS_OF = {"COMPLETED": 0, "FAILED": 1, "CANCELED": 3}
NO_SUCH_JOB, NOT_LET_IN = 4, 6
VIDEO_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.2, 3.0

_COLORS = {"COMPLETED": "green", "FAILED": "red", "CANCELED": "yellow", "PROCESSING": "cyan", "PENDING": "dim"}

_DOCUMENT = """
subscription Watch($jobId: ID!, $after: Int) {
  jobEvents(jobId: $jobId, after: $after, untilSettled: true) {
    __typename
    ... on JobSnapshot { version job { ...J scenes { nodes { ...S } } } }
    ... on JobEvent { version type current: job { ...J scenes { nodes { ...S } } } }
    ... on SceneProgress { sceneId percentage progress { percentage stageLabel } }
  }
}
fragment J on Job { title status progress { percentage stageLabel } }
fragment S on Scene { id position title prompt status percentage failure { code } }
"""

_STAGE = "subscription Stage($jobId: ID!) { jobProgress(jobId: $jobId) { currentStage stageLabel } }"
_VIDEO = "query Video($jobId: ID!) { job(id: $jobId) { output { url } outputFailure { message } } }"


async def watch(address: str, job_id: str, token: str | None = None) -> int:
    """Watch until the job settles, resuming by itself when the server goes away; answers the exit status."""
    with _Bars(Console(markup=False)) as bars:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                if await _follow(address, job_id, token, bars):
                    if bars.status == "COMPLETED":
                        bars.say(await _video(address, job_id, token, bars))
                    return STATUS_OF.get(bars.status, 1)
                pause = FIRST_PAUSE_SECONDS
            except TransportQueryError as refused:
                codes = [error.get("extensions", {}).get("code") for error in refused.errors or []]
                if "NOT_FOUND" in codes:
                    bars.say(f"There is no job {job_id} at {address}.")
                    return NO_SUCH_JOB
                if "UNAVAILABLE" not in codes:
                    bars.say(f"The server says: {refused}")
                    return 1
                bars.job("waiting for the server …")
            except NotLetIn as refused:
                bars.say(f"The server does not let you in: {refused}")
                return NOT_LET_IN
            except LOST:
                bars.job("waiting for the server …")
            await asyncio.sleep(pause)
            pause = min(LAST_PAUSE_SECONDS, pause * 2)


async def _follow(address: str, job_id: str, token: str | None, bars: "_Bars") -> bool:
    """One connection; whether the stream came to its proper end."""
    async with connect(address, token) as session:
        variables = {"jobId": job_id, "after": bars.version}
        async with aclosing(session.subscribe(_DOCUMENT, variables)) as messages:
            async for message in messages:
                bars.show(message["jobEvents"])
    return bars.status in STATUS_OF


async def _video(address: str, job_id: str, token: str | None, bars: "_Bars") -> str:
    """Where the joined clips are, as soon as they are joined, in a sentence."""
    try:
        async with asyncio.timeout(VIDEO_SECONDS), connect(address, token) as session:
            async with aclosing(session.subscribe(_STAGE, {"jobId": job_id})) as stages:
                async for stage in stages:
                    bars.job(stage["jobProgress"]["stageLabel"])
                    if stage["jobProgress"]["currentStage"] != "ASSEMBLING":
                        break
            job = (await session.execute(_VIDEO, {"jobId": job_id}))["job"]
    except LOST:
        return "The clips are not joined yet."
    if job is not None and job["output"] is not None:
        return f"The video is at {job['output']['url']}"
    failure = job["outputFailure"] if job is not None else None
    return f"There is no video of all scenes. {failure['message'] if failure else ''}".strip()


class _Bars:
    """What is drawn, and how far the stream was followed."""

    def __init__(self, console: Console) -> None:
        self.version: int | None = None
        self.status = "PENDING"
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._job = self._progress.add_task("job", total=100, note="")
        self._scenes: dict[str, TaskID] = {}

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._console.print(line, soft_wrap=True)

    def job(self, note: str, percentage: float | None = None) -> None:
        """The job's bar."""
        self._progress.update(self._job, note=note, completed=percentage)

    def show(self, message: dict[str, Any]) -> None:
        """Draw one message of the feed."""
        if message["__typename"] == "SceneProgress":
            self._progress.update(self._scenes[message["sceneId"]], completed=message["percentage"])
            self.job(message["progress"]["stageLabel"], message["progress"]["percentage"])
            return
        self.version = message["version"]
        # Under one name they would conflict: a snapshot always has its job, an event's may be purged.
        job = message["job"] if message["__typename"] == "JobSnapshot" else message["current"]
        if job is None:
            return
        self.status = job["status"]
        self._progress.update(self._job, description=f"[bold]{escape(job['title'])}")
        self.job(job["progress"]["stageLabel"], job["progress"]["percentage"])
        for scene in job["scenes"]["nodes"]:
            self._show_scene(scene)

    def _show_scene(self, scene: dict[str, Any]) -> None:
        if scene["id"] not in self._scenes:
            name = scene["title"] or scene["prompt"]
            label = escape(f"{scene['position'] + 1}. {name[:30]}")
            self._scenes[scene["id"]] = self._progress.add_task(label, total=100, note="")
        status = scene["status"]
        failure = escape(f": {scene['failure']['code']}") if scene["failure"] else ""
        self._progress.update(
            self._scenes[scene["id"]],
            completed=100 if status == "COMPLETED" else scene["percentage"] or 0,
            note=f"[{_COLORS[status]}]{status.lower()}{failure}",
        )
