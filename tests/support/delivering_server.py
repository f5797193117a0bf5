"""A server whose provider delivers the files that tests name: `python -m tests.support.delivering_server serve`."""

from unittest.mock import patch

from providers.port import Provider
from server import app
from server.cli import app as command_line
from server.settings import Settings
from tests.support.delivered_files import DeliveryProvider


def delivering(_settings: Settings) -> dict[str, Provider]:
    """Return the providers of the server."""
    return {DeliveryProvider.name: DeliveryProvider()}


if __name__ == "__main__":
    with patch.object(app, "configured", delivering):
        command_line()
