"""The proof in full: `python -m tests.any_order [--seed N] [--examples N] [--steps N] [--database KIND]`.

Exit status 0 when the real one did what the model does in every example, on each database.
"""

import random
import time
from contextlib import ExitStack
from typing import Annotated

import typer
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.machine import AnyOrder
from tests.support.database_choice import KINDS, home
from tests.support.postgres import some_postgres
from tests.support.property_settings import MODEST

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def prove(
    seed_of_all: Annotated[int | None, typer.Option("--seed", help="Repeat the choices of an earlier run.")] = None,
    examples: Annotated[int, typer.Option(min=1, help="How many, on each database.")] = 500,
    steps: Annotated[int, typer.Option(min=1, help="How many at most in an example.")] = 50,
    database: Annotated[str | None, typer.Option(help=f"On this one only: {' or '.join(KINDS)}.")] = None,
) -> None:
    """Do everything that can be done to jobs, in any order, beside a model of the lifecycle."""
    chosen = random.SystemRandom().randrange(2**32) if seed_of_all is None else seed_of_all
    typer.echo(f"any_order --seed {chosen} --examples {examples} --steps {steps}")
    hard = settings(
        MODEST,
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        # What differs is seen from the steps that led there: making them fewer takes longer than all the rest.
        phases=[Phase.generate],
    )
    for kind in [database] if database else KINDS:
        began = time.monotonic()
        with ExitStack() as stack:
            stack.enter_context(home.on(stack.enter_context(some_postgres()) if kind == "postgres" else None))
            run_state_machine_as_test(seed(chosen)(AnyOrder), settings=hard)
        typer.echo(f"{kind}: the same in {examples} examples, {time.monotonic() - began:.0f} s")


app(prog_name="python -m tests.any_order")
