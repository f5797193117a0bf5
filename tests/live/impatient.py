"""The server, but impatient: `python -m tests.live.impatient SECONDS` cuts off who does not read for so long."""

import sys
from dataclasses import replace
from unittest.mock import patch

from server.serve import serve
from server.settings import load
from server.transports import TransportLimits, uvicorn_options
from server.transports.sockets import UvicornOptions

OPTIONS = uvicorn_options


def impatient(limits: TransportLimits) -> UvicornOptions:
    """As the server would, but for the patience."""
    return OPTIONS(replace(limits, stall_seconds=float(sys.argv[1])))


if __name__ == "__main__":
    with patch("server.serve.uvicorn_options", impatient):
        sys.exit(serve(load()))
