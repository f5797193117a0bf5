"""The server, with a record of every state: `python -m tests.chaos.recording_server`."""

import sys

from server.processes.serve import serve
from server.settings import load
from tests.chaos.recording import recording

if __name__ == "__main__":
    with recording():
        sys.exit(serve(load()))
