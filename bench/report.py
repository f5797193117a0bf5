"""The report: a table in Markdown, written between two marks into the page on performance."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import machine
from bench.contenders import BEFORE, LIMIT, OURS
from bench.measure import Figure
from bench.results import BUSY_SHARE, Result, short

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
PACKAGES = ("strawberry-graphql", "graphql-core", "uvicorn", "uvloop", "sqlalchemy", "asyncpg", "orjson")
NOTHING = "–"
MICROSECONDS_BELOW = 0.1


def table(results: Sequence[Result]) -> str:
    """Return the table, and the remarks below it."""
    lines = ["| work | ours | before | peers | hand-written | bars |", "|---|---|---|---|---|---|"]
    for result in results:
        others = {name: figure for name, figure in result.figures.items() if name not in (OURS, BEFORE, LIMIT)}
        cells = [
            result.work,
            *(_cell(result.figures.get(name), result.unit) for name in (OURS, BEFORE)),
            "<br>".join(f"{name} {_cell(figure, result.unit)}" for name, figure in others.items()) or NOTHING,
            _cell(result.figures.get(LIMIT), result.unit),
            "<br>".join(map(str, result.verdicts)) or NOTHING,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"- {result.work}: {note}" for result in results for note in result.notes]
    return "\n".join([*lines, "", *notes])


def _cell(figure: Figure | None, unit: str) -> str:
    """Return a rate with the CPU time beside it; a star marks a server that did not use its core up."""
    if figure is None:
        return NOTHING
    star = "" if figure.share >= BUSY_SHARE else "*"
    cpu = f"{short(figure.cpu_ms)} ms" if figure.cpu_ms >= MICROSECONDS_BELOW else f"{short(1000 * figure.cpu_ms)} µs"
    return f"{short(figure.rate)} {unit}{star}, {cpu}"


def conditions(peers: Sequence[str], load: float) -> str:
    """Return when, on what machine and with which versions the run was made."""
    cores = "server and load on a core each" if machine.cores() else "server and load share all cores"
    versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES), *peers]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {machine.processor()}, {cores}, load average {load:.1f} at the "
        f"start; {', '.join(versions)}.\n\n"
        "Each figure is a rate and the CPU time of a unit. A star: the server did not use its core up, because "
        "it waited for the disk, the load or other programs; then the ratio of CPU times says more than that of rates."
    )


def write(page: Path, text: str) -> None:
    """Replace what stands between the marks of the page."""
    content = page.read_text()
    before, _, rest = content.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
