"""The long run: `python -m tests.chaos`. Exit status 0 when no violation was found, and every mutant was detected."""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos.mutants import Mutant
from tests.chaos.run import Outcome, Plan, Run
from tests.support.violations import Kind

app = typer.Typer(pretty_exceptions_enable=False)

# A bug shows as a late message or a gap. Any other violation would mean that something else is broken.
SYMPTOMS = {
    Mutant.PUBLISH_BEFORE_COMMIT: {Kind.LATE},
    Mutant.JOIN_AFTER_READ: {Kind.GAP, Kind.LATE},
}


@app.command()
def chaos(
    seed: Annotated[int | None, typer.Option(help="Repeat the choices of an earlier run.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long the server is up, in each run.")] = 150.0,
    mutant: Annotated[Mutant | None, typer.Option(help="Only run with this bug in the server.")] = None,
) -> None:
    """Run without a bug, then with each bug; a run with a bug ends when it is detected."""
    start = random.SystemRandom().randrange(2**32) if seed is None else seed
    mutants = [None, *Mutant] if mutant is None else [mutant]
    passed = [_run(Plan(start, seconds, each)) for each in mutants]
    raise typer.Exit(int(not all(passed)))


def _run(plan: Plan) -> bool:
    options = "" if plan.mutant is None else f" --mutant {plan.mutant}"
    typer.echo(f"chaos --seed {plan.seed} --seconds {plan.seconds:g}{options}")
    with tempfile.TemporaryDirectory(prefix="scenewire-chaos-") as folder:
        outcome = asyncio.run(Run(plan, Path(folder)).outcome())
    _report(outcome)
    found = {violation.kind for violation in outcome.violations}
    if plan.mutant is None:
        return not found
    return bool(found) and found <= SYMPTOMS[plan.mutant]


def _report(outcome: Outcome) -> None:
    for name, amount in sorted(outcome.amounts.items()):
        typer.echo(f"{amount:8}  {name}")
    for violation in outcome.violations:
        typer.echo(str(violation))
    typer.echo(f"{len(outcome.violations)} violations")


app(prog_name="python -m tests.chaos")
