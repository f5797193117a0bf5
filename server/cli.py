"""The command line: `python -m server`. Each command's module is imported when it is called for, so all start fast."""

import asyncio
import importlib
import socket
from collections.abc import Callable
from typing import Annotated

import typer

from server.settings import Settings, WrongSettings, load

WRONG_SETTINGS_STATUS = 2

app = typer.Typer(help="Scenewire: the scenes of AI video jobs, live.", pretty_exceptions_enable=False)

Url = Annotated[str | None, typer.Option(help="Address of the server; the configured one when left out.")]
Token = Annotated[str | None, typer.Option(envvar="SCENEWIRE_TOKEN", help="Who you are, where the server asks.")]
Subject = Annotated[str, typer.Option("--sub", help="Whose tokens: the id that owns jobs.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Serve when no command is given."""
    if context.invoked_subcommand is None:
        serve(render=True, processes=1, fd=None, supervisor=None)


@app.command()
def serve(
    render: Annotated[bool, typer.Option(help="Render too, or leave that to workers.")] = True,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many processes answer (Postgres only).")] = 1,
    fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    supervisor: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Answer and stream, and render too."""

    def act(settings: Settings) -> int:
        if processes > 1:
            return importlib.import_module("server.processes").serve_many(settings, processes, renders=render)
        listener = None if fd is None else socket.socket(fileno=fd)
        module = importlib.import_module("server.serve")
        return module.serve(settings, renders=render, listener=listener, supervisor=supervisor)

    _leave(act)


@app.command()
def worker() -> None:
    """Only render; as many workers as you like, on any machine that reaches the same Postgres and media."""
    _leave(lambda settings: importlib.import_module("server.serve").work(settings))


@app.command()
def migrate() -> None:
    """Bring the database up to date."""
    _leave(lambda settings: asyncio.run(importlib.import_module("server.migrate").migrate(settings)))


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(importlib.import_module("server.schema").sdl(), nl=False)


@app.command()
def watch(job: str, url: Url = None, token: Token = None) -> None:
    """Watch a job until it settles; exit status 0 completed, 1 failed, 3 canceled, 4 no such job, 6 not let in."""
    module = "server.watch"
    _leave(lambda settings: asyncio.run(importlib.import_module(module).watch(url or settings.address, job, token)))


@app.command()
def demo(url: Url = None, provider: str | None = None, token: Token = None) -> None:
    """Create a job from a small storyboard on a running server, and watch it."""
    module = "server.demo"
    _leave(lambda settings: asyncio.run(importlib.import_module(module).demo(url or settings.address, provider, token)))


@app.command()
def token(
    sub: Subject,
    roles: Annotated[str, typer.Option(help="Of user, worker and admin, with commas.")] = "user",
    name: Annotated[str | None, typer.Option(help="What to call them.")] = None,
    ttl: Annotated[str, typer.Option(help="How long it lasts: 90s, 15m, 1h, 7d.")] = "1h",
) -> None:
    """Print a token signed with SCENEWIRE_AUTH_SECRET."""
    module = "server.auth.issuing"
    _leave(lambda settings: asyncio.run(importlib.import_module(module).token(settings, sub, roles, name, ttl)))


@app.command()
def revoke(sub: Subject) -> None:
    """Accept no token of somebody that was issued until now; their sockets are closed."""
    _leave(lambda settings: asyncio.run(importlib.import_module("server.auth.issuing").revoke(settings, sub)))


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
