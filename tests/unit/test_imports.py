"""The modules that each command imports: what a command does not use must not delay its start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Runs the command line with these arguments, and prints the modules that it has imported.
PROGRAM = """
import json, sys
from contextlib import suppress
from server.cli import app
with suppress(SystemExit):
    app(sys.argv[1:])
print(json.dumps(sorted(sys.modules)))
"""
# Runs the program, which exits with a status, and prints the modules that it has imported.
WHOLE_PROGRAM = """
import json, runpy, sys
status = None
try:
    runpy.run_module("server", run_name="__main__", alter_sys=True)
except SystemExit as end:
    status = end.code
assert status == 2, status
print(json.dumps(sorted(sys.modules)))
"""
IMPORTS_OF_SERVE = "import json, sys, server.processes.serve; print(json.dumps(sorted(sys.modules)))"
# Starts a server without a token secret, asks it for its version, and prints the modules that it has imported.
STARTED_SERVER = """
import asyncio, json, sys
from models.db.clock import now
from server.app import create_app
from server.processes.serve import ready
from server.settings import Settings

settings = Settings(auth_secret="", media_url=sys.argv[1] + "/media")
app = create_app(settings)
body = json.dumps({"query": "{ serverInfo { version } }"}).encode()
scope = {
    "type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "client": ("127.0.0.1", 1), "state": {},
    "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
}
answer = []

async def receive():
    return {"type": "http.request", "body": body}

async def send(message):
    answer.append(message)

async def main():
    container = app.state.container
    await container.start()
    await app(scope, receive, send)
    # Housekeeping does it soon after the start.
    await container.media.sweep_frames(now())
    await container.stop()

assert ready(settings)
asyncio.run(main())
assert answer[0]["status"] == 200 and b"version" in answer[1]["body"], answer
print(json.dumps(sorted(sys.modules)))
"""
SECRET = "a secret of the tests, of more than 32 bytes"


def imported(program: str, *arguments: str, folder: Path, **settings: str) -> set[str]:
    """Return the modules of the last line of a program's output."""
    given = {"auth_secret": SECRET, "database_url": f"sqlite+aiosqlite:///{folder}/none.db", **settings}
    environment = {f"SCENEWIRE_{name.upper()}": value for name, value in given.items()}
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (["--help"], {"pydantic", "sqlalchemy", "graphql", "strawberry", "fastapi", "httpx", "scenewire", "asyncpg"}),
        (
            ["--version"],
            {"pydantic", "sqlalchemy", "graphql", "strawberry", "fastapi", "httpx", "scenewire", "asyncpg"},
        ),
        (
            ["token", "--sub", "amy"],
            {"graphql", "strawberry", "fastapi", "httpx", "scenewire", "pgqueuer", "alembic", "av"},
        ),
        (["watch", "job_1", "--url", "nonsense"], {"sqlmodel", "graphql", "strawberry", "fastapi", "asyncpg", "av"}),
    ],
    ids=["help", "version", "token", "watch"],
)
def test_command_imports_only_what_it_uses(tmp_path: Path, arguments: list[str], unused: set[str]) -> None:
    """For example `--help` imports only the command line itself."""
    assert imported(PROGRAM, *arguments, folder=tmp_path) & unused == set()


def test_import_of_a_command_makes_no_full_garbage_collections(tmp_path: Path) -> None:
    """They would take a sixth of the start-up time; one is permitted for the modules of the command line itself."""
    program = PROGRAM.replace("json.dumps(sorted(sys.modules))", "json.dumps([str(gc.get_stats()[2]['collections'])])")
    (collections,) = imported(f"import gc\n{program}", "schema", folder=tmp_path)
    assert int(collections) <= 1


def test_import_of_a_server_imports_no_encoder_client_or_migrations(tmp_path: Path) -> None:
    """Such modules are imported when they are needed; the encoder mostly in other processes."""
    assert imported(IMPORTS_OF_SERVE, folder=tmp_path) & {"av", "PIL", "scenewire", "alembic", "typer"} == set()


@pytest.mark.parametrize("arguments", [[], ["serve"]], ids=["none", "serve"])
def test_program_that_serves_imports_no_parser_of_options(tmp_path: Path, arguments: list[str]) -> None:
    """Which it needs for options alone. The server refuses to start, as others can reach its address."""
    modules = imported(WHOLE_PROGRAM, *arguments, folder=tmp_path, host="192.0.2.1")
    assert "server.processes.serve" in modules
    assert modules & {"typer", "server.cli"} == set()


def test_started_server_has_imported_only_what_it_uses(tmp_path: Path) -> None:
    """In development, with a migrated SQLite file and the built-in providers, after it has answered a query: each of
    these modules would cost it time at its start, and memory.

    The driver of Postgres and its dialect of SQLAlchemy, clients of webhooks and of hosted providers, what verifies
    tokens, the encoder, what exposes metrics and exports traces, what reads media files, what makes new ids, the
    calls of REST, and what only commands use.
    """
    unused = {"httpx", "httpcore", "rich", "pygments", "joserfc", "cryptography", "standardwebhooks", "asyncpg"}
    unused |= {"av", "PIL", "scenewire", "alembic", "typer", "uharfbuzz", "bidi", "fontTools", "multipart"}
    unused |= {"sqlalchemy.dialects.postgresql", "prometheus_client", "opentelemetry.sdk", "opentelemetry.exporter"}
    unused |= {"obstore", "typeid", "providers.hosted", "providers.refusals", "providers.comfyui"}
    unused |= {"server.rest.router", "server.rest.leases", "pydantic.v1", "difflib", "statistics"}
    assert "alembic" in imported(STARTED_SERVER, str(tmp_path), folder=tmp_path)
    modules = imported(STARTED_SERVER, str(tmp_path), folder=tmp_path)
    assert {"fastapi", "strawberry", "aiosqlite"} <= modules
    assert modules & unused == set()
