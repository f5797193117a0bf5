"""The command line: `python -m server`."""

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from models import migrations
from models.database import Database
from server import demo as demo_command
from server import watch as watch_command
from server.schema import sdl
from server.serve import serve as run_server
from server.settings import Settings, WrongSettings, load

WRONG_SETTINGS_STATUS = 2

app = typer.Typer(
    help="Scenewire: the scenes of AI video jobs, live.", no_args_is_help=False, pretty_exceptions_enable=False
)

Url = Annotated[str | None, typer.Option(help="Address of the server; the configured one when left out.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Serve when no command is given."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve() -> None:
    """Answer, render and stream in one process."""
    _leave(lambda settings: run_server(settings))


@app.command()
def migrate() -> None:
    """Bring the database up to date."""

    async def run(settings: Settings) -> int:
        database = Database(settings.database_url)
        try:
            changed = await migrations.upgrade(database)
        finally:
            await database.close()
        typer.echo(f"{'Migrated to' if changed else 'Already at'} revision {migrations.newest()}.")
        return 0

    _leave(lambda settings: asyncio.run(run(settings)))


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    sys.stdout.write(sdl())


@app.command()
def watch(job: str, url: Url = None) -> None:
    """Watch a job until it settles; exit status 0 completed, 1 failed, 3 canceled, 4 no such job."""
    _leave(lambda settings: asyncio.run(watch_command.watch(url or settings.address, job)))


@app.command()
def demo(url: Url = None, provider: str | None = None) -> None:
    """Create a job from a small storyboard on a running server, and watch it."""
    _leave(lambda settings: asyncio.run(demo_command.demo(url or settings.address, provider)))


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
