"""The command `watch JOB`: a progress bar for each scene and one for the job, from the subscription jobEvents."""

import asyncio
from contextlib import aclosing

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from scenewire import (
    Client,
    ConnectionState,
    Job,
    JobStage,
    NoServer,
    NotFound,
    RateLimited,
    Scene,
    SceneStatus,
    ScenewireError,
    ServerError,
    TokenRefused,
    Unavailable,
)
from server.client import NO_SERVER_STATUS, TOKEN_REFUSED_STATUS, checked_address

STATUS_OF = {"COMPLETED": 0, "FAILED": 1, "CANCELED": 3}
NO_JOB_STATUS = 4
VIDEO_TIMEOUT_SECONDS = 60.0

_COLORS = {"COMPLETED": "green", "FAILED": "red", "CANCELED": "yellow", "PROCESSING": "cyan", "PENDING": "dim"}


async def watch(address: str, job_id: str, token: str | None = None) -> int:
    """Watch the job until it is finished, and resume when the connection is lost; return the exit status.

    Raises WrongSettings for an address that is no URL.
    """
    address = checked_address(address)
    with _Bars(Console(markup=False)) as bars:
        try:
            async with Client(address, token) as client:
                return await _watch(client, job_id, bars)
        except NotFound:
            bars.print(f"There is no job {job_id} at {address}.")
            return NO_JOB_STATUS
        except TokenRefused as error:
            bars.print(f"The server refused the token: {error}")
            return TOKEN_REFUSED_STATUS
        except NoServer as error:
            bars.print(f"No server answers at {address} ({error}).")
            return NO_SERVER_STATUS
        except ScenewireError as error:
            bars.print(f"The server answered with an error: {error}")
            return 1


async def _watch(client: Client, job_id: str, bars: "_Bars") -> int:
    """Show the job until it is settled, and its video. Raises NoServer when no server answers at the start."""
    try:
        await client.job(job_id)
    except NoServer:
        raise
    except (Unavailable, ServerError, RateLimited):
        bars.on_state(ConnectionState.RECONNECTING)
    status = ""
    async with aclosing(client.follow(job_id, until_settled=True, on_state=bars.on_state)) as messages:
        async for message in messages:
            bars.show(message.job)
            status = message.job.status
    if status == "COMPLETED":
        bars.print(await _video(client, job_id, bars))
    return STATUS_OF.get(status, 1)


async def _video(client: Client, job_id: str, bars: "_Bars") -> str:
    """Wait until the job's video is assembled; return the sentence that reports its URL or its failure."""
    job = None
    try:
        async with (
            asyncio.timeout(VIDEO_TIMEOUT_SECONDS),
            aclosing(client.follow(job_id, on_state=bars.on_state)) as messages,
        ):
            async for message in messages:
                job = message.job
                bars.show(job)
                if job.progress.current_stage != JobStage.ASSEMBLING:
                    break
    except (TimeoutError, ScenewireError):
        return "The video is not assembled yet."
    if job is not None and job.output is not None:
        return f"The video is at {job.output.url}"
    failure = None if job is None else job.output_failure
    return f"The job has no video. {failure.message if failure else ''}".strip()


class _Bars:
    """The progress bars of a job and its scenes. They appear with the first message."""

    def __init__(self, console: Console) -> None:
        self._started = False
        self._stage = ""
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

    def on_state(self, state: ConnectionState) -> None:
        """Show beside the bar of the job whether the connection is lost."""
        if state in (ConnectionState.LIVE, ConnectionState.RECONNECTING):
            note = "waiting for the server …" if state is ConnectionState.RECONNECTING else self._stage
            self._progress.update(self._job, note=note)

    def show(self, job: Job) -> None:
        """Show the job as it is now."""
        if not self._started:
            self._started = True
            self._progress.start()
        title, progress, self._stage = f"[bold]{escape(job.title)}", job.progress, job.progress.stage_label
        self._progress.update(self._job, description=title, note=progress.stage_label, completed=progress.percentage)
        for scene in job.scenes:
            self._show_scene(scene)

    def _show_scene(self, scene: Scene) -> None:
        name = f"{scene.position + 1}. {(scene.title or scene.prompt)[:30]}"
        if scene.id not in self._scenes:
            self._scenes[scene.id] = self._progress.add_task(escape(name), total=100, note="")
        failure = ""
        if scene.failure:
            self._print_failure(f"{name}: {scene.failure.message}")
            failure = escape(f": {scene.failure.code}")
        self._progress.update(
            self._scenes[scene.id],
            completed=100 if scene.status == SceneStatus.COMPLETED else scene.percentage or 0,
            note=f"[{_COLORS.get(scene.status, 'dim')}]{scene.status.lower()}{failure}",
        )

    def _print_failure(self, line: str) -> None:
        """Print why a scene failed, once, on a line of its own: beside a bar there is too little room."""
        if line not in self._failures:
            self._failures.add(line)
            self.print(line)
