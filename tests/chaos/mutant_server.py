"""The server with a bug: `python -m tests.chaos.mutant_server NAME`."""

import sys

from server.processes.serve import serve
from server.settings import load
from tests.chaos.mutants import Mutant, patched

if __name__ == "__main__":
    with patched(Mutant(sys.argv[1])):
        sys.exit(serve(load()))
