"""The command `watch JOB`: a progress bar for each scene and one for the job, from the subscription jobEvents."""

import asyncio
from contextlib import aclosing
from typing import Any

from gql.transport.exceptions import TransportQueryError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from models.db.cancellation import raise_if_cancelled
from server.client import (
    CONNECTION_ERRORS,
    NO_SERVER_STATUS,
    TOKEN_REFUSED_STATUS,
    TokenRefused,
    checked_address,
    connect,
    reason_of,
)

STATUS_OF = {"COMPLETED": 0, "FAILED": 1, "CANCELED": 3}
NO_JOB_STATUS = 4
VIDEO_TIMEOUT_SECONDS = 60.0
MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.2, 3.0

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
fragment S on Scene { id position title prompt status percentage failure { code message } }
"""

_STAGE = "subscription Stage($jobId: ID!) { jobProgress(jobId: $jobId) { currentStage stageLabel } }"
_VIDEO = "query Video($jobId: ID!) { job(id: $jobId) { output { url } outputFailure { message } } }"


async def watch(address: str, job_id: str, token: str | None = None) -> int:
    """Watch the job until it is finished, and resume when the connection is lost; return the exit status.

    Raises WrongSettings for an address that is no URL.
    """
    address = checked_address(address)
    with _Bars(Console(markup=False)) as bars:
        backoff = MIN_BACKOFF_SECONDS
        while True:
            try:
                if await _follow(address, job_id, token, bars):
                    if bars.status == "COMPLETED":
                        bars.print(await _video(address, job_id, token, bars))
                    return STATUS_OF.get(bars.status, 1)
                backoff = MIN_BACKOFF_SECONDS
            except TransportQueryError as error:
                raise_if_cancelled(error)
                codes = [each.get("extensions", {}).get("code") for each in error.errors or []]
                if "NOT_FOUND" in codes:
                    bars.print(f"There is no job {job_id} at {address}.")
                    return NO_JOB_STATUS
                if "UNAVAILABLE" not in codes:
                    bars.print(f"The server answered with an error: {error}")
                    return 1
                bars.update_job("waiting for the server …")
            except TokenRefused as error:
                bars.print(f"The server refused the token: {error}")
                return TOKEN_REFUSED_STATUS
            except CONNECTION_ERRORS as error:
                raise_if_cancelled(error)
                if not bars.connected:
                    bars.print(f"No server answers at {address} ({reason_of(error)}).")
                    return NO_SERVER_STATUS
                bars.update_job("waiting for the server …")
            await asyncio.sleep(backoff)
            backoff = min(MAX_BACKOFF_SECONDS, backoff * 2)


async def _follow(address: str, job_id: str, token: str | None, bars: "_Bars") -> bool:
    """Show the messages of one connection; return whether the job is finished."""
    async with connect(address, token) as session:
        bars.connected = True
        variables = {"jobId": job_id, "after": bars.version}
        async with aclosing(session.subscribe(_DOCUMENT, variables)) as messages:
            async for message in messages:
                bars.show(message["jobEvents"])
    return bars.status in STATUS_OF


async def _video(address: str, job_id: str, token: str | None, bars: "_Bars") -> str:
    """Wait until the job's video is assembled; return the sentence that reports its URL or its failure."""
    try:
        async with asyncio.timeout(VIDEO_TIMEOUT_SECONDS), connect(address, token) as session:
            async with aclosing(session.subscribe(_STAGE, {"jobId": job_id})) as stages:
                async for stage in stages:
                    bars.update_job(stage["jobProgress"]["stageLabel"])
                    if stage["jobProgress"]["currentStage"] != "ASSEMBLING":
                        break
            job = (await session.execute(_VIDEO, {"jobId": job_id}))["job"]
    except CONNECTION_ERRORS:
        return "The video is not assembled yet."
    if job is not None and job["output"] is not None:
        return f"The video is at {job['output']['url']}"
    failure = job["outputFailure"] if job is not None else None
    return f"The job has no video. {failure['message'] if failure else ''}".strip()


class _Bars:
    """The progress bars, and the version and status of the job that they show. They appear with the first message."""

    def __init__(self, console: Console) -> None:
        self.version: int | None = None
        self.status = "PENDING"
        self.connected = False
        self._started = False
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
        self._failures: set[str] = set()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            self._progress.stop()

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(line, soft_wrap=True)

    def update_job(self, note: str, percentage: float | None = None) -> None:
        """Set the note, and the percentage if it is given, of the job's bar."""
        self._progress.update(self._job, note=note, completed=percentage)

    def show(self, message: dict[str, Any]) -> None:
        """Show one message of the subscription."""
        if not self._started:
            self._started = True
            self._progress.start()
        if message["__typename"] == "SceneProgress":
            self._progress.update(self._scenes[message["sceneId"]], completed=message["percentage"])
            self.update_job(message["progress"]["stageLabel"], message["progress"]["percentage"])
            return
        self.version = message["version"]
        # The document names the fields differently, because only an event's job can be null (when it was purged).
        job = message["job"] if message["__typename"] == "JobSnapshot" else message["current"]
        if job is None:
            return
        self.status = job["status"]
        self._progress.update(self._job, description=f"[bold]{escape(job['title'])}")
        self.update_job(job["progress"]["stageLabel"], job["progress"]["percentage"])
        for scene in job["scenes"]["nodes"]:
            self._show_scene(scene)

    def _show_scene(self, scene: dict[str, Any]) -> None:
        name = f"{scene['position'] + 1}. {(scene['title'] or scene['prompt'])[:30]}"
        if scene["id"] not in self._scenes:
            label = escape(name)
            self._scenes[scene["id"]] = self._progress.add_task(label, total=100, note="")
        status = scene["status"]
        if scene["failure"]:
            self._print_failure(f"{name}: {scene['failure']['message']}")
        failure = escape(f": {scene['failure']['code']}") if scene["failure"] else ""
        self._progress.update(
            self._scenes[scene["id"]],
            completed=100 if status == "COMPLETED" else scene["percentage"] or 0,
            note=f"[{_COLORS[status]}]{status.lower()}{failure}",
        )

    def _print_failure(self, line: str) -> None:
        """Print why a scene failed, once, on a line of its own: beside a bar there is too little room."""
        if line not in self._failures:
            self._failures.add(line)
            self.print(line)
