"""The long run: `python -m tests.chaos`. Exit status 0 when no violation was found, and every mutant was detected.

The clients run on SQLite and on Postgres, and print how long they took to show what was committed.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos import client_run, delays
from tests.chaos.client_run import ClientRun
from tests.chaos.mutants import Mutant
from tests.chaos.run import Plan, Run
from tests.support import headless_chromium
from tests.support.database_choice import database_choice
from tests.support.postgres import some_postgres
from tests.support.violations import Kind, Violation

app = typer.Typer(pretty_exceptions_enable=False)

# A bug shows in one of these ways. Any other violation would mean that something else is broken.
SYMPTOMS = {
    # An event comes with the job as it was before; one that is not sent at once is sent with the next, as a lost hint.
    # A stream that begins before the commit misses it; one that is resumed then is ahead of the log.
    Mutant.PUBLISH_BEFORE_COMMIT: {Kind.BACKWARDS, Kind.LATE, Kind.GAP, Kind.UNEXPECTED_SNAPSHOT},
    Mutant.HINT_BEFORE_COMMIT: {Kind.LATE},
    Mutant.JOIN_AFTER_READ: {Kind.GAP, Kind.LATE},
}


# A client gives a frozen connection up after 10 s.
LONGEST_OUTAGE_SECONDS = 13.0


class Part(StrEnum):
    """The parts of the long run."""

    SERVER = "server"
    CLIENTS = "clients"


@app.command()
def chaos(
    seed: Annotated[int | None, typer.Option(help="Repeat the choices of an earlier run.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long the server is up, in each run.")] = 150.0,
    mutant: Annotated[Mutant | None, typer.Option(help="Only run with this bug in the server.")] = None,
    part: Annotated[Part | None, typer.Option(help="Only run this part.")] = None,
) -> None:
    """Run without a bug, then with each bug, which ends when it is detected; then run the clients on each database."""
    start = random.SystemRandom().randrange(2**32) if seed is None else seed
    mutants = [None, *Mutant] if mutant is None else [mutant]
    passed = [] if part is Part.CLIENTS else [_run(Plan(start, seconds, each)) for each in mutants]
    if mutant is None and part is not Part.SERVER:
        plan = client_run.Plan(
            start, seconds, kills=max(1, round(seconds / 20)), longest_seconds=LONGEST_OUTAGE_SECONDS
        )
        passed.append(_run_clients("SQLite", plan))
        with some_postgres() as databases, database_choice.use(databases):
            passed.append(_run_clients("Postgres", plan))
    raise typer.Exit(int(not all(passed)))


def _run(plan: Plan) -> bool:
    options = "" if plan.mutant is None else f" --mutant {plan.mutant}"
    typer.echo(f"chaos --seed {plan.seed} --seconds {plan.seconds:g}{options}")
    with tempfile.TemporaryDirectory(prefix="scenewire-chaos-") as folder:
        outcome = asyncio.run(Run(plan, Path(folder)).outcome())
    _report(outcome.amounts, outcome.violations)
    found = {violation.kind for violation in outcome.violations}
    if plan.mutant is None:
        return not found
    return bool(found) and found <= SYMPTOMS[plan.mutant]


def _run_clients(database: str, plan: client_run.Plan) -> bool:
    typer.echo(f"chaos --part clients --seed {plan.seed} --seconds {plan.seconds:g}, on {database}")
    with tempfile.TemporaryDirectory(prefix="scenewire-chaos-") as folder:
        outcome = asyncio.run(_outcome_of_clients(plan, Path(folder)))
    late = [violation for name, found in outcome.delays.items() for violation in delays.too_long(name, found)]
    violations = [*outcome.violations, *late]
    _report(outcome.amounts, violations)
    for name, found in outcome.delays.items():
        middle, most, longest = found[len(found) // 2], found[len(found) * 99 // 100], found[-1]
        typer.echo(f"{name}: {len(found)} versions, shown after {middle:.3f} s, 99 % {most:.3f} s, all {longest:.3f} s")
    return not violations


async def _outcome_of_clients(plan: client_run.Plan, folder: Path) -> client_run.Outcome:
    path = headless_chromium.executable()
    if path is None:
        typer.echo(f"{headless_chromium.MISSING}: without the React client")
        return await ClientRun(plan, folder, None).outcome()
    async with headless_chromium.running(path) as browser:
        return await ClientRun(plan, folder, browser).outcome()


def _report(amounts: Counter[str], violations: Sequence[Violation]) -> None:
    for name, amount in sorted(amounts.items()):
        typer.echo(f"{amount:8}  {name}")
    for violation in violations:
        typer.echo(str(violation))
    typer.echo(f"{len(violations)} violations")


app(prog_name="python -m tests.chaos")
