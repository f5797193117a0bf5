"""The entry point of `python -m server`."""

import sys

from server import command

if sys.argv[1:] in ([], ["serve"]):
    # Without options to parse: the library that does it takes 1.1 MB of a server's memory.
    sys.exit(command.serve())
command.module("server.cli").app(prog_name="python -m server")
