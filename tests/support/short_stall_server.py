"""The server with a short stall timeout: `python -m tests.support.short_stall_server SECONDS`."""

import sys
from dataclasses import replace
from unittest.mock import patch

from server.processes.serve import serve
from server.settings import load
from server.transports.limits import TransportLimits
from server.transports.protocols.uvicorn_protocols import UvicornOptions, uvicorn_options

OPTIONS = uvicorn_options


def short_stall_options(limits: TransportLimits) -> UvicornOptions:
    """The options of the server, with the stall timeout of the command line."""
    return OPTIONS(replace(limits, stall_seconds=float(sys.argv[1])))


if __name__ == "__main__":
    with patch("server.processes.serve.uvicorn_options", short_stall_options):
        sys.exit(serve(load()))
