"""The clients of `clients/`, each following the jobs of a run over a line of its own, and what they have shown."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from tests.chaos.line import Line, line_to
from tests.chaos.shown_states import Shown
from tests.support import javascript_clients
from tests.support.node_runtime import install, node
from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS

Json = dict[str, Any]

PROGRAMS = Path(__file__).parent / "programs"
CLIENTS = ROOT / "clients"
ALIASES = {
    "@scenewire/client": CLIENTS / "javascript" / "src" / "index.ts",
    "@scenewire/react": CLIENTS / "react" / "src" / "index.ts",
    **{name: CLIENTS / "node_modules" / name for name in ("react", "react-dom")},
}
LINE_BYTES = 2**24
NODE, PYTHON, REACT = "@scenewire/client", "scenewire", "@scenewire/react"
SMALL_PAGE = "/healthz"


class Follower:
    """One client. `ends` are the streams that ended, which none may."""

    def __init__(self, name: str, line: Line) -> None:
        self.name = name
        self.line = line
        self.shown: dict[str, list[Shown]] = {}
        self.snapshots: Counter[str] = Counter()
        self.ends: list[str] = []

    def version(self, job_id: str) -> int:
        """Return the version of the job that it shows; 0 when it shows none."""
        states = self.shown.get(job_id)
        return states[-1].version if states else 0

    def receive(self, report: Json) -> None:
        """Note what the program reports."""
        if "end" in report:
            self.ends.append(f"{report['jobId']}: {report['end']}")
            return
        message: str = report.get("message", "")
        self.shown.setdefault(report["jobId"], []).append(Shown(report["at"], **report["shown"], message=message))
        if message.startswith("JobSnapshot"):
            self.snapshots[message.split()[1]] += 1


@asynccontextmanager
async def following(
    url: str, job_ids: Sequence[str], folder: Path, browser: Browser | None
) -> AsyncGenerator[list[Follower]]:
    """Follow the jobs with every client; without a browser the React one is left out. Programs log into the folder."""
    async with AsyncExitStack() as stack:
        names = [NODE, PYTHON, *([] if browser is None else [REACT])]
        followers = [Follower(name, await stack.enter_async_context(line_to(url))) for name in names]
        await asyncio.to_thread(_bundle, folder)
        for follower in followers:
            if follower.name == REACT:
                assert browser is not None
                await stack.enter_async_context(_page(browser, follower, job_ids, folder))
            else:
                await stack.enter_async_context(_program(follower, job_ids, folder))
        yield followers


def log_of(folder: Path, name: str) -> Path:
    """Return the file into which a program writes its complaints."""
    return folder / f"{name.rpartition('/')[2]}.err"


@asynccontextmanager
async def _program(follower: Follower, job_ids: Sequence[str], folder: Path) -> AsyncGenerator[None]:
    command = [sys.executable, str(PROGRAMS / "python.py")]
    if follower.name == NODE:
        # Node 20 has the WebSocket of browsers behind this option; newer ones have it without.
        command = [node(), "--experimental-websocket", "--no-warnings", str(folder / "node.mjs")]
    with log_of(folder, follower.name).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            follower.line.url,
            *job_ids,
            stdout=subprocess.PIPE,
            stderr=log,
            limit=LINE_BYTES,
            env=os.environ | {"PYTHONPATH": str(CLIENTS / "python" / "src")},
        )
    reading = asyncio.create_task(_read(process, follower))
    try:
        yield
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await reading
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()


async def _read(process: asyncio.subprocess.Process, follower: Follower) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        follower.receive(json.loads(line))


@asynccontextmanager
async def _page(browser: Browser, follower: Follower, job_ids: Sequence[str], folder: Path) -> AsyncGenerator[None]:
    failures: list[str] = []
    # The page comes from the server, since Chromium lets no other page connect to a loopback address.
    async with await browser.new_page(bypass_csp=True) as page:
        page.on("pageerror", lambda error: failures.append(error.message))
        await page.expose_function("report", follower.receive)  # pyright: ignore[reportUnknownMemberType] # it is untyped
        await page.goto(f"{follower.line.url}{SMALL_PAGE}")
        await page.add_script_tag(path=folder / "page.js")
        await page.evaluate("jobIds => follow(jobIds)", list(job_ids))
        yield
    log_of(folder, follower.name).write_text("\n".join(failures))


def _bundle(folder: Path) -> None:
    """Bundle the programs with the sources of the clients."""
    install(javascript_clients.FOLDER)
    for program, output, form in (("node.js", "node.mjs", "esm"), ("page.js", "page.js", "iife")):
        javascript_clients.run(
            "esbuild",
            str(PROGRAMS / program),
            "--bundle",
            '--define:process.env.NODE_ENV="production"',
            f"--format={form}",
            f"--outfile={folder / output}",
            *(f"--alias:{name}={path}" for name, path in ALIASES.items()),
        )
