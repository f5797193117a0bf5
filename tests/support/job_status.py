"""The status and the instants of a job."""

from datetime import datetime

from tests.support import jobs
from tests.support.server_app import App

ENDED = ["COMPLETED", "FAILED", "CANCELED"]


async def job_status(app: App, job_id: str) -> str:
    """Return the status of a job."""
    return (await jobs.job(app, job_id, "status"))["status"]


def is_utc_instant(text: str) -> bool:
    """Whether the text is an RFC 3339 instant in UTC."""
    return text.endswith("Z") and datetime.fromisoformat(text).utcoffset() is not None
