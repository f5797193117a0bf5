"""Sockets that listen at a configured address."""

import socket

from server.settings import PREFIX, WrongSettings


def listening(host: str, port: int, backlog: int, setting: str) -> socket.socket:
    """Return a socket that listens at this address; port 0 is any free port.

    Raises WrongSettings, which names the setting of the port, when that is not possible.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Two processes that start at the same time can both bind; only one of them can listen.
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise WrongSettings(f"{PREFIX}{setting}: cannot listen on {host}:{port}: {error.strerror}") from error
    return listener
