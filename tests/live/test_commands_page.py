"""docs/commands.md: its commands print what it shows, beside a server with three jobs."""

import asyncio
import re
import shlex
from pathlib import Path

from tests.support import jobs
from tests.support.command_line import invoke
from tests.support.leasing import a_leased_job
from tests.support.server_app import running
from tests.support.server_process import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")
PROGRAM = [".venv/bin/python", "-m", "server"]
# What differs in each run: ids, times, spans, and the widths of columns by them.
VARYING = (
    (re.compile(r"\b(job|scene)_[0-9a-z]{26}\b"), r"\1_ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d+[dhms](?: \d+[hms])?\b"), "SPAN"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "REQUEST_ID"),
    (re.compile(r" {2,}"), " "),
)


def shown() -> list[tuple[list[str], str]]:
    """Return the commands of the page, each with its output."""
    blocks = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
    parts = re.split(r"^\$ ", blocks, flags=re.MULTILINE)[1:]
    return [(shlex.split(command), output) for command, _, output in (part.partition("\n") for part in parts)]


def normal(text: str) -> str:
    """Return a text without what varies."""
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    return text.strip()


async def test_commands_of_the_page_print_what_it_shows(tmp_path: Path) -> None:
    """An ellipsis stands for any text."""
    async with running(tmp_path, renders=False) as app:
        await jobs.make(app, title="Lighthouse")
        await jobs.make(app, jobs.scene(), jobs.scene(), title="Gulls over the tower", start=True)
        await a_leased_job(app, title="Storm")
        settings = {
            "database_url": app.container.settings.database_url,
            "media_url": str(tmp_path / "media"),
            "render_concurrency": 1,
        }
        commands = shown()
        assert {arguments[3] for arguments, _ in commands} == {"doctor", "jobs", "queue", "audit"}
        for arguments, output in commands:
            assert arguments[:3] == PROGRAM
            # A busy machine may need long.
            limit = ["--seconds", "600"] if arguments[3] == "doctor" else []
            ran = await asyncio.to_thread(invoke, *arguments[3:], *limit, **settings)
            assert (ran.status, ran.err) == (0, ""), ran
            pattern = ".*".join(re.escape(part) for part in normal(output).split("…"))
            assert re.fullmatch(pattern, normal(ran.out), re.DOTALL), f"{arguments}\n{output}\n{ran.out}"
