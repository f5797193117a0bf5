"""Commands of `python -m server` inside the process of the test, for those that end by themselves."""

from typing import NamedTuple

from typer.testing import CliRunner

from server.cli import app

_runner = CliRunner()


class Ran(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str


def invoke(*arguments: str, **settings: object) -> Ran:
    """Run a command with these settings. An exception that the command does not handle is raised again."""
    environment = {f"SCENEWIRE_{name.upper()}": str(value) for name, value in settings.items()}
    result = _runner.invoke(app, list(arguments), env=environment, catch_exceptions=False)
    return Ran(result.exit_code, result.stdout, result.stderr)
