"""The server with two users whose tokens are fixed: `python -m tests.attacks.server`."""

import sys

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from server import serve
from server.app import create_app
from server.settings import Settings, load
from tests.attacks.target import TOKENS


def identify(connection: HTTPConnection) -> str | None:
    """Whose token the Authorization header bears."""
    return TOKENS.get(connection.headers.get("authorization", "").removeprefix("Bearer "))


def with_users(settings: Settings, *, renders: bool, answers: bool) -> FastAPI:
    """The application as it is served, but that it knows them."""
    return create_app(settings, renders=renders, answers=answers, identify=identify)


if __name__ == "__main__":
    serve.create_app = with_users
    sys.exit(serve.serve(load()))
