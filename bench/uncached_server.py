"""The baseline of `bench.replay`: a server on which each replayed event reads its rows in a snapshot of its own."""

import sys

from models.db import snapshot
from server.processes.serve import serve
from server.settings import load

if __name__ == "__main__":
    snapshot.SERIES_SECONDS = -1.0
    sys.exit(serve(load()))
