"""A typed client of Scenewire: calls over HTTP, and live jobs over websockets that resume without gaps.

async with scenewire.Client("http://127.0.0.1:4000") as client:
    job = await client.create_job(title="Coast", scenes=[{"prompt": "A lighthouse at dusk"}], start=True)
    async for message in client.follow(job.id, until_settled=True):
        print(message.job.progress.stage_label)
"""

from scenewire.batches import BatchResult, SceneResult
from scenewire.client import Client
from scenewire.enums import (
    EventType,
    Grant,
    JobStage,
    JobStatus,
    Resolution,
    SceneAction,
    SceneStatus,
    SnapshotReason,
    TakeReason,
)
from scenewire.errors import (
    Conflict,
    NoServer,
    NotFound,
    RateLimited,
    Refused,
    ScenewireError,
    ServerError,
    TokenRefused,
    Unavailable,
    UserError,
)
from scenewire.following import Event, Message, SceneProgress, Snapshot
from scenewire.inputs import JobFilter, JobOrder, NewScene, RenderInput, RenderSettings
from scenewire.models import (
    AccessToken,
    DeletedScene,
    Failure,
    Job,
    JobSummary,
    Media,
    NewToken,
    Page,
    Progress,
    Quota,
    Scene,
    SceneDetails,
    ServerInfo,
    Settings,
    Take,
    Viewer,
)
from scenewire.streams import ConnectionState
from scenewire.version import VERSION

__version__ = VERSION
__all__ = [
    "AccessToken",
    "BatchResult",
    "Client",
    "Conflict",
    "ConnectionState",
    "DeletedScene",
    "Event",
    "EventType",
    "Failure",
    "Grant",
    "Job",
    "JobFilter",
    "JobOrder",
    "JobStage",
    "JobStatus",
    "JobSummary",
    "Media",
    "Message",
    "NewScene",
    "NewToken",
    "NoServer",
    "NotFound",
    "Page",
    "Progress",
    "Quota",
    "RateLimited",
    "Refused",
    "RenderInput",
    "RenderSettings",
    "Resolution",
    "Scene",
    "SceneAction",
    "SceneDetails",
    "SceneProgress",
    "SceneResult",
    "SceneStatus",
    "ScenewireError",
    "ServerError",
    "ServerInfo",
    "Settings",
    "Snapshot",
    "SnapshotReason",
    "Take",
    "TakeReason",
    "TokenRefused",
    "Unavailable",
    "UserError",
    "Viewer",
]
