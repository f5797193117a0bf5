"""`python -m tests.chaos`: exit status 0 when everything held; with a bug, when it was caught."""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos.bugs import Bug
from tests.chaos.run import Plan, Run

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def chaos(
    seed: Annotated[int | None, typer.Option(help="Repeat the choices of an earlier run.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long the server is up, in all.")] = 150.0,
    bug: Annotated[Bug | None, typer.Option(help="Put this bug into the server; it must be caught.")] = None,
) -> None:
    """Change jobs, watch them, cut connections and kill the server, by chance; then check that nobody was lied to."""
    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    typer.echo(f"chaos --seed {chosen} --seconds {seconds:g}" + (f" --bug {bug}" if bug else ""))
    with tempfile.TemporaryDirectory(prefix="scenewire-chaos-") as folder:
        outcome = asyncio.run(Run(Plan(chosen, seconds, bug), Path(folder)).result())
    for name, amount in sorted(outcome.amounts.items()):
        typer.echo(f"{amount:8}  {name}")
    for violation in outcome.violations:
        typer.echo(str(violation))
    typer.echo(f"{len(outcome.violations)} lies" if outcome.violations else "nobody was lied to")
    raise typer.Exit(int(bool(outcome.violations) is (bug is None)))


app(prog_name="python -m tests.chaos")
