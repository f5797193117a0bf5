"""The server, but impatient: `python -m tests.live.impatient SECONDS` cuts off who does not read for so long."""

import sys
from unittest.mock import patch

from server.serve import serve
from server.settings import load
from server.transports import TransportLimits, uvicorn_options

if __name__ == "__main__":
    options = uvicorn_options(TransportLimits(stall_seconds=float(sys.argv[1])))
    with patch("server.serve.uvicorn_options", lambda _limits: options):
        sys.exit(serve(load()))
