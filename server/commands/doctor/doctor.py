"""Runs the checks one after the other, and prints what they find."""

import asyncio
import logging
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import aclosing

from rich.console import Console
from rich.text import Text

from models.db.cancellation import raise_if_cancelled
from server.commands import table
from server.commands.cells import safe
from server.commands.doctor import access, clips, database, media, providers, setup
from server.commands.doctor.findings import Check, Finding, State
from server.commands.doctor.secrets import Redaction
from server.settings import Settings
from server.version import VERSION

FAILED_STATUS = 1
NAME_WIDTH = 10
# Of what was found: after the state and the name.
INDENT = NAME_WIDTH + 8
SHORTEST_LINE = 20
# For what a check that took too long has opened: a service that does not answer may not let go, either.
CLOSING_SECONDS = 5.0


def checks_of(settings: Settings) -> list[Check]:
    """Return the checks of these settings."""
    return [*setup.CHECKS, *database.CHECKS, *media.CHECKS, *access.CHECKS, *clips.CHECKS, *providers.checks(settings)]


async def doctor(settings: Settings, *, seconds: float, as_json: bool) -> int:
    """Look at everything, at each thing for at most so many seconds; return the exit status: 1 when something fails."""
    _silence_logs()
    redacted = Redaction(settings)
    output = table.console()
    found: list[Finding] = []
    timed_out = False
    # One after the other: side by side they would take each other's time.
    for check in checks_of(settings):
        findings, late = await limited(check, settings, seconds)
        timed_out |= late
        for each in findings:
            found.append(each._replace(found=redacted(each.found), todo=redacted(each.todo)))
            if not as_json:
                _print(output, found[-1])
    if as_json:
        table.write_json(_document(found))
    else:
        table.line(output, _summary(found))
    status = FAILED_STATUS if any(each.state is State.FAIL for each in found) else 0
    if timed_out:
        # A thread that waits for a file system may never end, and the interpreter would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


async def limited(check: Check, settings: Settings, seconds: float) -> tuple[list[Finding], bool]:
    """Return what a check finds, and whether it took too long."""
    found: list[Finding] = []
    looking = asyncio.create_task(_look(check, settings, found))
    try:
        await asyncio.wait({looking}, timeout=seconds)
        if looking.done():
            looking.result()
            return found, False
        looking.cancel()
        await asyncio.wait({looking}, timeout=CLOSING_SECONDS)
    finally:
        looking.cancel()
    todo = "look at the network and the machine behind it, or give it more time by --seconds"
    return [*found, Finding(check.name, State.FAIL, f"it did not answer within {seconds:g} s", todo)], True


async def _look(check: Check, settings: Settings, found: list[Finding]) -> None:
    """Append what a check finds, and its error."""
    try:
        async with aclosing(check.run(settings)) as findings:
            async for each in findings:
                found.append(each)  # noqa: PERF401 # what was found before an error is kept
    except Exception as error:
        raise_if_cancelled(error)
        lines = str(error).splitlines() or [""]
        found.append(Finding(check.name, State.FAIL, f"{type(error).__name__}: {lines[0]}", "look for its cause"))


def _silence_logs() -> None:
    """Let findings show what parts of the server log, which may quote secrets."""
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())


def _print(output: Console, finding: Finding) -> None:
    name = f"{finding.check:<{NAME_WIDTH}}  "
    first, *more = _wrapped(output, finding.found)
    text = Text.assemble((f"{finding.state.value:<4}  ", table.COLOURS[finding.state.value]), (name, "bold"), first)
    table.line(output, text)
    for each in more:
        table.line(output, " " * INDENT + each)
    for each in _wrapped(output, finding.todo) if finding.todo else ():
        table.line(output, Text(" " * INDENT + each, "yellow"))


def _wrapped(output: Console, text: str) -> Sequence[str]:
    """Return the lines of a text in a terminal; one where the output goes to a file or a pipe."""
    if not output.is_terminal:
        return [safe(text)]
    return textwrap.wrap(safe(text), max(SHORTEST_LINE, output.width - INDENT), break_on_hyphens=False)


def _summary(found: Sequence[Finding]) -> str:
    counts = {state: sum(each.state is state for each in found) for state in State}
    return f"{counts[State.OK]} ok, {counts[State.WARN]} warnings, {counts[State.FAIL]} failed"


def _document(found: Sequence[Finding]) -> dict[str, object]:
    return {
        "version": VERSION,
        "ok": all(each.state is not State.FAIL for each in found),
        "checks": [each._asdict() for each in found],
    }
