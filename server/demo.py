"""The command `demo`: create a job from a built-in storyboard on a running server, and watch it."""

from rich.console import Console

from scenewire import Client, NoServer, Refused, ScenewireError, TokenRefused
from scenewire.inputs import NewJob
from server.client import NO_SERVER_STATUS, TOKEN_REFUSED_STATUS, checked_address
from server.watch import watch

STORYBOARD: NewJob = {
    "title": "A day at the lighthouse",
    "start": True,
    "scenes": [
        {"title": "Dawn", "prompt": "First light over a calm sea, a lighthouse on the cliff", "duration_seconds": 4},
        {"title": "Noon", "prompt": "Gulls above the white tower, waves glitter", "duration_seconds": 4},
        {"title": "Night", "prompt": "The beam sweeps across dark water under the stars", "duration_seconds": 4},
    ],
}


async def demo(address: str, provider: str | None, token: str | None = None) -> int:
    """Create the job and watch it; return the exit status. Raises WrongSettings for an address that is no URL."""
    address = checked_address(address)
    console = Console(markup=False)
    storyboard = STORYBOARD.copy()
    if provider is not None:
        storyboard["provider"] = provider
    try:
        async with Client(address, token) as client:
            job = await client.create_job(**storyboard)
    except Refused as error:
        console.print(str(error))
        return 1
    except TokenRefused as error:
        console.print(f"The server refused the token: {error}")
        return TOKEN_REFUSED_STATUS
    except NoServer as error:
        console.print(f"No server answers at {address} ({error}). Start one with: make run")
        return NO_SERVER_STATUS
    except ScenewireError as error:
        console.print(f"The server answered with an error: {error}")
        return 1
    console.print(f"Created {job.id}.")
    return await watch(address, job.id, token)
