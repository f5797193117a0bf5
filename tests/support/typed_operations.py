"""The typed operations of the storyboard: generated from the schema and web/storyboard's documents, and committed.

`python -m tests.support.typed_operations` writes them.
"""

import subprocess
import tempfile
from pathlib import Path

from server.graphql.schema import sdl
from tests.support import node_runtime
from tests.support.server_process import ROOT

SOURCES = ROOT / "web" / "storyboard" / "src"
MODULE = SOURCES / "operations" / "index.ts"
COMPILERS = ROOT / "tests" / "compilers"


def generated() -> str:
    """Return the module as GraphQL Code Generator makes it now. Raises CalledProcessError for an invalid document."""
    node_runtime.install(COMPILERS)
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "schema.graphql"
        schema.write_text(sdl())
        command = [node_runtime.node(), "typed-operations.js", schema, *sorted(SOURCES.rglob("*.graphql"))]
        return subprocess.run(command, cwd=COMPILERS, check=True, stdout=subprocess.PIPE, text=True).stdout + "\n"


if __name__ == "__main__":
    MODULE.write_text(generated())
