"""The server without the cache of replayed rows: each past event reads its own rows. For `bench.replay`."""

import sys

from schema import loaders
from server.serve import serve
from server.settings import load

if __name__ == "__main__":
    loaders.REMEMBERED_SECONDS = -1.0
    sys.exit(serve(load()))
