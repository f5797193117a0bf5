"""The server with a bug: `python -m tests.chaos.server NAME`."""

import sys

from server.serve import serve
from server.settings import load
from tests.chaos.bugs import Bug, seeded

if __name__ == "__main__":
    with seeded(Bug(sys.argv[1])):
        sys.exit(serve(load()))
