"""The command line: `python -m server`. Each command's module is imported when it is called for, so all start fast."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Annotated

import typer

from server.settings import Settings, WrongSettings, load

WRONG_SETTINGS_STATUS = 2

app = typer.Typer(help="Scenewire: the scenes of AI video jobs, live.", pretty_exceptions_enable=False)

Url = Annotated[str | None, typer.Option(help="Address of the server; the configured one when left out.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Serve when no command is given."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve() -> None:
    """Answer, render and stream in one process."""
    _leave(lambda settings: importlib.import_module("server.serve").serve(settings))


@app.command()
def migrate() -> None:
    """Bring the database up to date."""
    _leave(lambda settings: asyncio.run(importlib.import_module("server.migrate").migrate(settings)))


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(importlib.import_module("server.schema").sdl(), nl=False)


@app.command()
def watch(job: str, url: Url = None) -> None:
    """Watch a job until it settles; exit status 0 completed, 1 failed, 3 canceled, 4 no such job."""
    _leave(lambda settings: asyncio.run(importlib.import_module("server.watch").watch(url or settings.address, job)))


@app.command()
def demo(url: Url = None, provider: str | None = None) -> None:
    """Create a job from a small storyboard on a running server, and watch it."""
    _leave(lambda settings: asyncio.run(importlib.import_module("server.demo").demo(url or settings.address, provider)))


def _leave(act: Callable[[Settings], int]) -> None:
    """Do it and exit with its status; a wrong setting is one line and status 2."""
    try:
        status = act(load())
    except WrongSettings as wrong:
        typer.echo(f"scenewire: {wrong}", err=True)
        status = WRONG_SETTINGS_STATUS
    except KeyboardInterrupt:
        status = 130
    raise typer.Exit(status)
