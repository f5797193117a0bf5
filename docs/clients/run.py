"""Follows a job in the terminal: python docs/clients/run.py ADDRESS JOB."""

import asyncio
import json
import sys

from follow import Json, follow
from gql.transport.exceptions import TransportQueryError


def show(job: Json, message: Json) -> None:
    """One line of JSON for each message."""
    write({"message": message, "job": job})


def say(state: str) -> None:
    """And for each change of the connection."""
    write({"state": state})


def write(line: Json) -> None:
    """Written at once, for whoever reads along."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main(address: str, job_id: str) -> None:
    """Until the stream ends, and why it did."""
    try:
        await follow(f"{address}/graphql".replace("http", "ws", 1), job_id, show, say)
        write({"end": None})
    except TransportQueryError as refused:
        write({"end": refused.errors})


asyncio.run(main(*sys.argv[1:]))
