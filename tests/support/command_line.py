"""Commands of `python -m server` inside the process of the test, for those that end by themselves."""

import os
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
    """Run a command with these settings and no others. An exception that it does not handle is raised again."""
    environment: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("SCENEWIRE_"))
    environment |= {f"SCENEWIRE_{name.upper()}": str(value) for name, value in settings.items()}
    result = _runner.invoke(app, list(arguments), env=environment, catch_exceptions=False)
    return Ran(result.exit_code, result.stdout, result.stderr)
