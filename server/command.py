"""What all commands share: importing their modules, loading the settings, and the exit status; and the command `serve`.

It imports no parser of options, which the usual start of a server does not need.
"""

import gc
import importlib
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.settings import Settings

WRONG_SETTINGS_STATUS = 2
INTERRUPTED_STATUS = 130


def module(name: str) -> ModuleType:
    """Import a module of a command without garbage collection. Nearly all objects that an import makes are permanent,
    and traversing them repeatedly takes a sixth of the start-up time."""
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def status_of(command: "Callable[[Settings], int]", *, reports_unread: bool = False, **options: object) -> int:
    """Run a command and return its exit status; an invalid setting prints one line, and the status is 2.

    A command that `reports_unread` variables does it itself. `options` replace settings, unless they are None.
    """
    settings = module("server.settings")
    if not reports_unread:
        for sentence in module("server.configuration.unread_variables").unread_variables():
            _report(sentence)
    try:
        return command(settings.load(**{name: value for name, value in options.items() if value is not None}))
    except settings.WrongSettings as error:
        _report(str(error))
        return WRONG_SETTINGS_STATUS
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


def serve(
    *,
    render: bool = True,
    host: str | None = None,
    port: int | None = None,
    processes: int = 1,
    fd: int | None = None,
    supervisor: int | None = None,
) -> int:
    """Run the server, in one process or more, and return its exit status.

    `fd` is a listening socket of the process `supervisor`, which started this one.
    """

    def run(settings: "Settings") -> int:
        if processes > 1:
            return module("server.processes.supervisor").serve_many(settings, processes, renders=render)
        listener = None if fd is None else socket.socket(fileno=fd)
        return module("server.processes.serve").serve(
            settings, renders=render, listener=listener, supervisor=supervisor
        )

    return status_of(run, reports_unread=True, host=host, port=port)


def _report(sentence: str) -> None:
    sys.stderr.write(f"scenewire: {sentence}\n")
