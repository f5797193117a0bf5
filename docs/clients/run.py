"""Follows a job in the terminal: python docs/clients/run.py ADDRESS JOB."""

import asyncio
import json
import sys

from follow import Json, follow
from gql.transport.exceptions import TransportQueryError


def show(job: Json, message: Json) -> None:
    """Print one line of JSON per message."""
    write({"message": message, "job": job})


def on_state(state: str) -> None:
    """Print one line of JSON per change of the connection state."""
    write({"state": state})


def write(line: Json) -> None:
    """Print a line and flush it, since a test reads it through a pipe."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main(address: str, job_id: str) -> None:
    """Follow the job until the stream ends, then print the reason."""
    try:
        await follow(f"{address}/graphql".replace("http", "ws", 1), job_id, show, on_state)
        write({"end": None})
    except TransportQueryError as refused:
        write({"end": refused.errors})


asyncio.run(main(*sys.argv[1:]))
