"""Read the scenes of a job and their takes, for tests of renders."""

from datetime import datetime

from providers.port import Provider
from tests.support import jobs
from tests.support.client import Json
from tests.support.server_app import App

SECRET = "the password is swordfish"

TAKES = "takes { number reason status failure { code message retryable } createdAt startedAt finishedAt isCurrent }"


async def scenes(app: App, job_id: str, selection: str) -> list[Json]:
    """Return fields of the scenes of a job."""
    return (await jobs.job(app, job_id, f"scenes {{ nodes {{ {selection} }} }}"))["scenes"]["nodes"]


async def scene(app: App, job_id: str, selection: str) -> Json:
    """Return fields of the only scene of a job."""
    (found,) = await scenes(app, job_id, selection)
    return found


async def is_processing(app: App, job_id: str) -> bool:
    """Return whether every scene of a job has been submitted and shows progress."""
    found = await scenes(app, job_id, "percentage providerId")
    return all(each["percentage"] and each["providerId"] for each in found)


def single_provider(provider: Provider) -> dict[str, Provider]:
    """Return the providers of a server that has only this one."""
    return {provider.name: provider}


def seconds(earlier: str, later: str) -> float:
    """Return the seconds between two instants in the format of the API."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
