"""The JavaScript clients: their own tests in Node, their size, their types and what their packages contain."""

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from tests.support import document_compilers, javascript_clients, node_runtime
from tests.support.javascript_clients import FOLDER, run
from tests.support.server_process import ROOT

SOURCES = FOLDER / "javascript" / "src"
MOST_BYTES = 8_000


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """Build the clients."""
    javascript_clients.build()


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("javascript/tests/connection.test.js", 45),
        ("javascript/tests/http.test.js", 7),
        ("javascript/tests/job.test.js", 19),
        ("javascript/tests/jobs.test.js", 15),
        ("javascript/tests/page.test.js", 8),
        ("react/tests/hooks.test.js", 15),
    ],
)
async def test_all_tests_of_the_file_pass(file: str, tests: int) -> None:
    """They run in Node with fake websockets and a clock that the test moves."""
    outcome = await node_runtime.run_tests(file, {}, FOLDER)
    assert (outcome.exit_status, outcome.passed, outcome.failed) == (0, tests, 0), outcome.output


def test_the_types_are_those_that_callers_rely_on() -> None:
    """Of documents that GraphQL Code Generator writes, of the default documents, and of the hooks."""
    run("tsc", "-p", "tsconfig.tests.json")


def test_the_client_is_small(tmp_path: Path) -> None:
    """With graphql-ws, minified and compressed."""
    entry = tmp_path / "entry.js"
    entry.write_text(f"export {{ createClient }} from '{FOLDER / 'javascript' / 'dist' / 'index.js'}';")
    run("esbuild", str(entry), "--bundle", "--minify", "--format=esm", f"--outfile={tmp_path / 'out.js'}")
    assert len(gzip.compress((tmp_path / "out.js").read_bytes(), mtime=0)) < MOST_BYTES


def test_the_generated_types_are_current(tmp_path: Path) -> None:
    """`make client-types` writes what is there; it is to be run after a change of the schema."""
    document_compilers.install_node_packages()
    subprocess.run([ROOT / "tests" / "compilers" / "client-types", tmp_path], check=True)
    for name in ("schema.ts", "operations.ts"):
        assert (tmp_path / name).read_text() == (SOURCES / name).read_text(), f"{name} is old: run make client-types"


@pytest.mark.parametrize("package", ["javascript", "react"])
def test_a_package_contains_what_it_exports(package: str) -> None:
    """Its compiled modules, their types, their sources, the license and the read-me, and nothing else."""
    (packed,) = json.loads(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts", cwd=FOLDER / package))
    paths = {each["path"] for each in packed["files"]}
    described = json.loads((FOLDER / package / "package.json").read_text())
    exported = {Path(path).as_posix() for entry in described["exports"].values() for path in entry.values()}
    sources = {f"src/{path.name}" for path in (FOLDER / package / "src").iterdir()}
    assert exported | sources | {"LICENSE", "README.md", "package.json"} <= paths
    assert [path for path in sorted(paths) if path.startswith(("tests", "node_modules")) or "tsbuildinfo" in path] == []
