"""The command line, `python -m server`. A command's module is imported only when it runs, so that all start fast."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.domain.lifecycle import JobStatus
from server import command
from server.command import module

if TYPE_CHECKING:
    from server.settings import Settings

MOST_ROWS = 10_000

app = typer.Typer(help="Scenewire: GraphQL API server for scenes of AI video jobs.", pretty_exceptions_enable=False)

Url = Annotated[str | None, typer.Option(help="URL of the server; default: the one of the settings.")]
Token = Annotated[str | None, typer.Option(envvar="SCENEWIRE_TOKEN", help="Bearer token, if the server requires one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, instead of a table.")]


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"Scenewire {module('server.version').VERSION}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run `serve` when no command is given."""
    if context.invoked_subcommand is None:
        serve(render=True, host=None, port=None, processes=1, fd=None, supervisor=None)


@app.command()
def serve(
    render: Annotated[bool, typer.Option(help="Render in this process too, or only in workers.")] = True,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: SCENEWIRE_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for any; default: SCENEWIRE_PORT.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Number of server processes (Postgres only).")] = 1,
    fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    supervisor: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the server: API, streams and renders."""

    status = command.serve(render=render, host=host, port=port, processes=processes, fd=fd, supervisor=supervisor)
    raise typer.Exit(status)


@app.command()
def worker() -> None:
    """Run a worker that only renders. Any number of workers can share one Postgres database and media store."""
    _exit_with(lambda settings: module("server.processes.serve").work(settings), reports_unread=True)


@app.command()
def migrate(
    to: Annotated[str | None, typer.Option(help="Revision to upgrade or downgrade to; default: the newest.")] = None,
) -> None:
    """Migrate the database to the newest revision, or to another one. Stop the servers before a downgrade."""
    _exit_with(lambda settings: asyncio.run(module("server.database.migrate").migrate(settings, to)))


@app.command()
def backup(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make; it must be new or empty.")],
    media: Annotated[
        Literal["copy", "reference"],
        typer.Option(help="Copy the media files too, or only list those that stay in SCENEWIRE_MEDIA_URL."),
    ] = "copy",
) -> None:
    """Back up the database, the media files and the secret into a folder, while servers and workers run."""
    _exit_with(lambda settings: asyncio.run(module("server.backup.backup").backup(settings, directory, media)))


@app.command()
def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `backup` has made.")],
) -> None:
    """Check a backup and restore it into an empty database. Stop the servers before."""
    _exit_with(lambda settings: asyncio.run(module("server.backup.restore").restore(settings, directory)))


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(module("server.graphql.schema").sdl(), nl=False)


@app.command()
def watch(job: str, url: Url = None, token: Token = None) -> None:
    """Watch a job until it is finished.

    Exit status: 0 completed, 1 failed, 3 canceled, 4 no such job, 5 no server, 6 token refused.
    """

    def run(settings: "Settings") -> int:
        return asyncio.run(module("server.watch").watch(url or settings.address, job, token))

    _exit_with(run)


@app.command()
def demo(url: Url = None, provider: str | None = None, token: Token = None) -> None:
    """Create a job from a small storyboard on a running server and watch it."""

    def run(settings: "Settings") -> int:
        return asyncio.run(module("server.demo").demo(url or settings.address, provider, token))

    _exit_with(run)


@app.command()
def token(
    sub: Annotated[
        str | None, typer.Option(help="Subject of the token: the user id that owns jobs; with --jobs, their owner.")
    ] = None,
    roles: Annotated[str | None, typer.Option(help="Comma-separated roles: user (default), worker, admin.")] = None,
    name: Annotated[str | None, typer.Option(help="Display name; default: the subject.")] = None,
    ttl: Annotated[str | None, typer.Option(help="Lifetime: 90s, 15m, 1h (default) or 7d; at most 365d.")] = None,
    jobs: Annotated[str | None, typer.Option(help="Comma-separated ids: an access token for these jobs alone.")] = None,
    grants: Annotated[
        str | None, typer.Option(help="Comma-separated grants of an access token: read (default), edit, work.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="What the access token is for.")] = None,
    expires: Annotated[str | None, typer.Option(help="Lifetime of the access token, 60s to 24h; default: 1h.")] = None,
) -> None:
    """Print a token signed with SCENEWIRE_AUTH_SECRET, or with --jobs or --grants an access token."""

    def run(settings: "Settings") -> int:
        if jobs is not None or grants is not None:
            _refuse("--jobs and --grants", {"--roles": roles, "--ttl": ttl})
            make = module("server.commands.token").make
            limits = {"jobs": jobs, "grants": grants or "read", "label": label, "expires": expires or "1h"}
            return asyncio.run(make(settings, subject=sub, name=name, **limits))
        _refuse("a token without --jobs or --grants", {"--label": label, "--expires": expires})
        if sub is None:
            raise typer.BadParameter("required, unless --jobs is given", param_hint="--sub")
        issue = module("server.auth.issuing").token
        return asyncio.run(issue(settings, sub, roles or "user", name, ttl or "1h"))

    _exit_with(run)


def _refuse(what: str, options: Mapping[str, object]) -> None:
    """Raise BadParameter for options that were given and do not belong to this kind of token."""
    for name, value in options.items():
        if value is not None:
            raise typer.BadParameter(f"not possible with {what}", param_hint=name)


@app.command()
def revoke(
    sub: Annotated[str | None, typer.Option(help="Subject whose tokens, issued before now, are revoked.")] = None,
    token: Annotated[str | None, typer.Option(help="Id of one access token, token_….")] = None,
) -> None:
    """Revoke all tokens of a subject that were issued before now, or one access token, and close their connections."""
    if (sub is None) == (token is None):
        raise typer.BadParameter("give one of them", param_hint="--sub or --token")

    def run(settings: "Settings") -> int:
        if sub is not None:
            return asyncio.run(module("server.auth.issuing").revoke(settings, sub))
        return asyncio.run(module("server.commands.token").revoke(settings, token))

    _exit_with(run)


@app.command()
def audit(
    request: Annotated[str | None, typer.Option(help="Entries of the request with this X-Request-Id.")] = None,
    user: Annotated[str | None, typer.Option(help="Entries of this user, by the subject of the tokens.")] = None,
    job: Annotated[str | None, typer.Option(help="Entries about this job, its scenes, takes and webhooks.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Not before 2026-01-31T12:00:00Z, 2026-01-31, or 90m (ago).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before this time, as --since.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="The latest so many entries.")] = 50,
    as_json: Json = False,
) -> None:
    """Print the latest entries of the audit log, newest last. Needs no server."""

    def run(settings: "Settings") -> int:
        show = module("server.commands.audit").show
        filters = {"request": request, "user": user, "job": job, "since": since, "until": until}
        return asyncio.run(show(settings, **filters, limit=limit, as_json=as_json))

    _exit_with(run)


@app.command()
def jobs(
    status: Annotated[list[JobStatus] | None, typer.Option(case_sensitive=False, help="May be repeated.")] = None,
    owner: Annotated[str | None, typer.Option(help="Jobs of this user.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="The newest so many jobs.")] = 20,
    as_json: Json = False,
) -> None:
    """Print the newest jobs of all users. Needs no server."""

    def run(settings: "Settings") -> int:
        show = module("server.commands.jobs").show
        return asyncio.run(show(settings, status=status or [], owner=owner, limit=limit, as_json=as_json))

    _exit_with(run)


@app.command()
def queue(
    provider: Annotated[str | None, typer.Option(help="The queue of this provider.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="The takes that wait longest, so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Print the takes that wait, for how long and for what. Needs no server."""

    def run(settings: "Settings") -> int:
        show = module("server.commands.queue").show
        return asyncio.run(show(settings, provider=provider, limit=limit, as_json=as_json))

    _exit_with(run)


@app.command()
def doctor(
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Time limit of each check.")] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Look at everything that the server depends on, and say what to do. Needs no server.

    Exit status: 0 when nothing fails, 1 when something does, 2 for wrong settings.
    """

    def run(settings: "Settings") -> int:
        return asyncio.run(module("server.commands.doctor.doctor").doctor(settings, seconds=seconds, as_json=as_json))

    _exit_with(run, reports_unread=True)


def _exit_with(run: "Callable[[Settings], int]", *, reports_unread: bool = False) -> None:
    raise typer.Exit(command.status_of(run, reports_unread=reports_unread))
