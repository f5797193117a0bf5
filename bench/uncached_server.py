"""The server whose past events share no snapshot: each reads its own rows. For `bench.replay`."""

import sys

from models.db import snapshot
from server.serve import serve
from server.settings import load

if __name__ == "__main__":
    snapshot.SERIES_SECONDS = -1.0
    sys.exit(serve(load()))
