"""`python -m server` with the database timeouts of tests: `python -m tests.support.long_timeout_server`."""

from server.cli import app
from tests.support.database_timeouts import long_timeouts

if __name__ == "__main__":
    with long_timeouts():
        app()
