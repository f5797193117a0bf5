"""The command `demo`: create a job from a built-in storyboard on a running server, and watch it."""

from gql.transport.exceptions import TransportQueryError
from rich.console import Console

from server.client import (
    CONNECTION_ERRORS,
    NO_SERVER_STATUS,
    TOKEN_REFUSED_STATUS,
    TokenRefused,
    checked_address,
    connect,
    reason_of,
)
from server.watch import watch

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
    """Create the job and watch it; return the exit status. Raises WrongSettings for an address that is no URL."""
    address = checked_address(address)
    console = Console(markup=False)
    storyboard = STORYBOARD if provider is None else STORYBOARD | {"provider": provider}
    try:
        async with connect(address, token) as session:
            payload = (await session.execute(_DOCUMENT, {"input": storyboard}))["createJob"]
    except TransportQueryError as error:
        console.print(f"The server answered with an error: {error}")
        return 1
    except TokenRefused as error:
        console.print(f"The server refused the token: {error}")
        return TOKEN_REFUSED_STATUS
    except CONNECTION_ERRORS as error:
        console.print(f"No server answers at {address} ({reason_of(error)}). Start one with: make run")
        return NO_SERVER_STATUS
    if payload["errors"]:
        console.print("; ".join(error["message"] for error in payload["errors"]))
        return 1
    console.print(f"Created {payload['job']['id']}.")
    return await watch(address, payload["job"]["id"], token)
