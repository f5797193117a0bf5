"""The compilers of clients in TypeScript and Python, and normalized caches, each run in a process of its own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support import node_runtime
from tests.support.client import Json
from tests.support.process_lock import process_lock
from tests.support.server_process import ROOT

FOLDER = ROOT / "tests" / "compilers"
UV = ROOT / ".venv" / "tool" / "bin" / "uv"
# An environment of its own: ariadne-codegen needs graphql-core 3.2, the server a newer one.
PYTHON_PACKAGES = ROOT / ".venv" / "document-compilers"


class Outcome(NamedTuple):
    """The exit status of a process and what it printed."""

    status: int
    output: str


def install() -> None:
    """Install the packages of the locks, unless they are. Other processes that need them wait for it."""
    install_node_packages()
    with process_lock(PYTHON_PACKAGES):
        _install_python_packages()


def install_node_packages() -> None:
    """Install the compilers that run in Node."""
    node_runtime.install(FOLDER)


def _install_python_packages() -> None:
    lock, marker = FOLDER / "requirements.lock", PYTHON_PACKAGES / ".installed"
    if marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
        return
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, PYTHON_PACKAGES], check=True)
    sync = [UV, "pip", "sync", "--quiet", "--require-hashes", "--only-binary", ":all:", "--python", _python(), lock]
    subprocess.run(sync, check=True)
    marker.touch()


async def graphql_codegen(folder: Path, schema: Path, documents: Sequence[Path]) -> Outcome:
    """Run GraphQL Code Generator with the client preset and the TypeScript plugins."""
    return await _run(node_runtime.node(), "codegen.js", schema, *documents)


async def relay_compiler(folder: Path, schema: Path, documents: Sequence[Path]) -> Outcome:
    """Run relay-compiler."""
    return await _run(node_runtime.node(), "relay.js", folder, schema, *documents)


async def codegen_manifest(folder: Path, schema: Path, documents: Sequence[Path]) -> Path:
    """Have GraphQL Code Generator persist the documents; return its manifest."""
    outcome = await _run(node_runtime.node(), "manifest.js", schema, folder / "codegen.json", *documents)
    assert outcome.status == 0, outcome.output
    return folder / "codegen.json"


async def relay_manifest(folder: Path, schema: Path, documents: Sequence[Path]) -> Path:
    """Have relay-compiler persist the documents; return its manifest."""
    outcome = await relay_compiler(folder, schema, documents)
    assert outcome.status == 0, outcome.output
    return folder / "persisted.json"


async def ariadne_codegen(folder: Path, schema: Path, documents: Sequence[Path]) -> Outcome:
    """Run ariadne-codegen, and compile the modules that it writes."""
    queries = folder / "queries"
    queries.mkdir()
    for document in documents:
        (queries / document.name).write_text(document.read_text("utf-8"))
    config = folder / "pyproject.toml"
    lines = [f'schema_path = "{schema}"', f'queries_path = "{queries}"', f'target_package_path = "{folder}"']
    config.write_text("\n".join(["[tool.ariadne-codegen]", *lines, 'target_package_name = "client"\n']))
    written = await _run(PYTHON_PACKAGES / "bin" / "ariadne-codegen", "client", "--config", config)
    if written.status:
        return written
    return await _run(_python(), "-m", "compileall", "-q", folder / "client")


async def cached_jobs(schema: Path, subscription: Path, job_id: str, messages: Sequence[Json]) -> dict[str, list[Json]]:
    """Return the job as Apollo Client and urql have it in their caches after each message, by client."""
    given = json.dumps({"jobId": job_id, "messages": messages})
    outcome = await _run(node_runtime.node(), "--no-warnings", "cache.js", schema, subscription, given=given)
    assert outcome.status == 0, outcome.output
    return json.loads(outcome.output)


def _python() -> Path:
    return PYTHON_PACKAGES / "bin" / "python"


async def _run(*command: str | Path, given: str = "") -> Outcome:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
    return Outcome(await process.wait(), output.decode())
