"""The long run: `python -m tests.any_order`, and the recorder of traces: `python -m tests.any_order record`.

Exit status 0 when the product did what the model does in every example and every mutant was detected.
"""

import random
import time
from contextlib import ExitStack
from typing import Annotated

import typer
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order import trace
from tests.any_order.machine import AnyOrder
from tests.any_order.mutants import MUTANTS
from tests.any_order.search import search, shrink
from tests.support.database_choice import KINDS, database_choice
from tests.support.database_timeouts import long_timeouts
from tests.support.postgres import some_postgres
from tests.support.property_settings import MODEST

app = typer.Typer(pretty_exceptions_enable=False)
Seed = Annotated[int | None, typer.Option("--seed", help="Repeat the choices of an earlier run.")]
Steps = Annotated[int, typer.Option(min=1, help="The largest number of steps of an example.")]
Attempts = Annotated[int, typer.Option(min=0, help="Examples in which a mutant must be detected; 0 skips them.")]


@app.callback(invoke_without_command=True)
def prove(
    context: typer.Context,
    seed_of_all: Seed = None,
    examples: Annotated[int, typer.Option(min=0, help="Examples on each database.")] = 500,
    steps: Steps = 50,
    database: Annotated[str | None, typer.Option(help=f"Only this one: {' or '.join(KINDS)}.")] = None,
    mutant_examples: Attempts = 2000,
) -> None:
    """Compare the product with the model for random commands, then search for every mutant on SQLite."""
    if context.invoked_subcommand is not None:
        return
    start = random.SystemRandom().randrange(2**32) if seed_of_all is None else seed_of_all
    typer.echo(f"any_order --seed {start} --examples {examples} --steps {steps} --mutant-examples {mutant_examples}")
    for kind in [database] if database else KINDS:
        _compare(kind, start, examples, steps)
    missed = [name for name in MUTANTS if mutant_examples and not _detected(name, start, mutant_examples, steps)]
    if missed:
        typer.echo(f"not detected: {', '.join(missed)}")
    raise typer.Exit(int(bool(missed)))


@app.command()
def record(
    names: Annotated[list[str] | None, typer.Argument(metavar="MUTANT", help="All when left out.")] = None,
    seed_of_all: Seed = None,
    steps: Steps = 50,
    mutant_examples: Attempts = 2000,
) -> None:
    """Search for mutants and store the shortest trace that detects each, for `make test` to replay."""
    start = random.SystemRandom().randrange(2**32) if seed_of_all is None else seed_of_all
    typer.echo(f"any_order record --seed {start}")
    for name in names or MUTANTS:
        while True:
            found = search(MUTANTS[name], start, mutant_examples, steps)
            shrunk = found and shrink(MUTANTS[name], found.steps)
            if shrunk is not None:
                break
            start += 1
        trace.save(name, shrunk)
        typer.echo(f"{name}: {len(shrunk.steps)} steps, detected by {shrunk.detected_by}")


def _compare(kind: str, start: int, examples: int, steps: int) -> None:
    if not examples:
        return
    thorough = settings(
        MODEST,
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        # Shrinking takes longer than all the rest, and the steps of the failure are printed anyway.
        phases=[Phase.generate],
    )
    began = time.monotonic()
    with ExitStack() as stack:
        # As in a test: the first connections of a restarted process take long on a busy machine.
        stack.enter_context(long_timeouts())
        databases = stack.enter_context(some_postgres()) if kind == "postgres" else None
        stack.enter_context(database_choice.use(databases))
        run_state_machine_as_test(seed(start)(AnyOrder), settings=thorough)
    typer.echo(f"{kind}: product and model agree in {examples} examples, {time.monotonic() - began:.0f} s")


def _detected(name: str, start: int, examples: int, steps: int) -> bool:
    began = time.monotonic()
    found = search(MUTANTS[name], start, examples, steps)
    seconds = time.monotonic() - began
    if found is None:
        typer.echo(f"mutant {name}: not detected in {examples} examples, {seconds:.0f} s")
        return False
    typer.echo(f"mutant {name}: detected in example {found.examples} ({type(found.error).__name__}), {seconds:.0f} s")
    return True


app(prog_name="python -m tests.any_order")
