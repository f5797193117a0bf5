"""`demo`: a small built-in storyboard, made on a running server and watched."""

from gql.transport.exceptions import TransportQueryError
from rich.console import Console

from server.client import LOST, NotLetIn, connect
from server.watch import NOT_LET_IN, watch

NO_SERVER = 5

STORYBOARD = {
    "title": "A day at the lighthouse",
    "start": True,
    "scenes": [
        {"title": "Dawn", "prompt": "First light over a calm sea, a lighthouse on the cliff", "durationSeconds": 4},
        {"title": "Noon", "prompt": "Gulls above the white tower, waves glitter", "durationSeconds": 4},
        {"title": "Night", "prompt": "The beam sweeps across dark water under the stars", "durationSeconds": 4},
    ],
}

_DOCUMENT = """
mutation Demo($input: CreateJobInput!) { createJob(input: $input) { job { id } errors { message } } }
"""


async def demo(address: str, provider: str | None, token: str | None = None) -> int:
    """Create the job and watch it; answers the exit status."""
    console = Console(markup=False)
    made = STORYBOARD if provider is None else STORYBOARD | {"provider": provider}
    try:
        async with connect(address, token) as session:
            answer = (await session.execute(_DOCUMENT, {"input": made}))["createJob"]
    except TransportQueryError as refused:
        console.print(f"The server says: {refused}")
        return 1
    except NotLetIn as refused:
        console.print(f"The server does not let you in: {refused}")
        return NOT_LET_IN
    except LOST as error:
        console.print(f"No server answers at {address} ({error}). Start one with: make run")
        return NO_SERVER
    if answer["errors"]:
        console.print("; ".join(error["message"] for error in answer["errors"]))
        return 1
    console.print(f"Made {answer['job']['id']}.")
    return await watch(address, answer["job"]["id"], token)
