"""A fake of OpenRouter's video API, written from its documentation, and providers that use it.

https://openrouter.ai/docs/guides/overview/multimodal/video-generation
"""

import re
from dataclasses import dataclass, field
from typing import Any

from providers.hosted.provider import HostedProvider
from providers.hosted.retrying import Pace
from providers.openrouter.client import OpenRouterClient
from providers.openrouter.webhooks import SigningSecret
from tests.support.fake_service import Asked, FakeService, Job, Json, Reply, clip_of
from tests.support.replicate import QUICK

SECRET = "the signing secret of a workspace"
CALLBACKS = "https://scenewire.test"
VEO = "maker/veo"
PLAIN = "maker/plain"
MODELS: list[Json] = [
    {
        "id": VEO,
        "canonical_slug": "maker/veo-2026",
        "supported_durations": [8, 2, 1, 4],
        "supported_resolutions": ["720p", "1080p", "4K", "1K"],
        "supported_aspect_ratios": ["16:9", "9:16"],
        "supported_frame_images": ["first_frame", "last_frame"],
        "generate_audio": True,
        "seed": True,
        "allowed_passthrough_parameters": ["personGeneration"],
    },
    {"id": PLAIN, "supported_durations": None, "generate_audio": False, "seed": None},
]
_FIELDS = {
    *("model", "prompt", "duration", "resolution", "aspect_ratio", "size", "frame_images", "input_references"),
    *("generate_audio", "seed", "callback_url", "provider"),
}
_JOB = re.compile(r"/api/v1/videos/(job-\d+)(/content)?")
_STATUS = {"running": "in_progress", "done": "completed"}


@dataclass
class FakeOpenRouter(FakeService):
    """The service. `usage` is the price that it reports, `limit_remaining` the rest of its key's budget."""

    usage: Json = field(default_factory=lambda: {"cost": 0.35, "is_byok": False})
    limit_remaining: float | None = None

    @property
    def address(self) -> str:
        """The address of the API."""
        return f"{self.origin}/api/v1"

    def kind(self, asked: Asked) -> str:
        """Return the kind of a request."""
        if asked.path == "/api/v1/videos/models":
            return "models"
        if asked.path == "/api/v1/key":
            return "key"
        found = _JOB.fullmatch(asked.path)
        if asked.method == "POST":
            return "create" if asked.path == "/api/v1/videos" else "unknown"
        return "unknown" if found is None else "download" if found.group(2) else "get"

    def reply(self, kind: str, asked: Asked) -> Reply:
        """Answer a request."""
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _refusal(401, f"No auth credentials found in {asked.headers.get('authorization')}")
        if kind == "models":
            return Reply(200, {"data": MODELS})
        if kind == "key":
            return Reply(200, {"data": {"label": "sk-or-v1-0e6...1c2", "limit_remaining": self.limit_remaining}})
        if kind == "create":
            return self._create(asked.json)
        found = _JOB.fullmatch(asked.path)
        job = self.jobs.get(found.group(1)) if found else None
        if job is None:
            return _refusal(404, "Video job not found")
        if kind == "download":
            return clip_of(job)
        job.look(self.end, self.looks)
        return Reply(200, self.document(job))

    def document(self, job: Job) -> Json:
        """Return the JSON of a job."""
        status = _STATUS.get(job.status, job.status)
        answer: Json = {"id": job.id, "polling_url": f"{self.address}/videos/{job.id}", "status": status}
        if status == "completed":
            answer |= {"unsigned_urls": [f"{self.address}/videos/{job.id}/content?index=0"], "usage": self.usage}
        if status in ("failed", "cancelled", "expired"):
            answer |= {"error": self.error}
        return answer

    def provider(
        self, pace: Pace = QUICK, *, token: str | None = None, callbacks: str = "", **more: Any
    ) -> HostedProvider:
        """Make a provider that uses the fake, with short pauses."""
        client = OpenRouterClient(
            self.address, token or self.token, pace, callbacks=callbacks, signing=SigningSecret(SECRET), **more
        )
        return HostedProvider("openrouter", client, pace, most_bytes=1_000_000)

    def _create(self, asked: Json) -> Reply:
        unknown = sorted(set(asked) - _FIELDS)
        if unknown or asked.get("model") not in {each["id"] for each in MODELS} or not asked.get("prompt"):
            return _refusal(400, f"Invalid request: {unknown or asked}")
        job = self.buy(asked, asked.get("callback_url"))
        return Reply(202, self.document(job))


def _refusal(status: int, message: str) -> Reply:
    return Reply(status, {"error": {"code": status, "message": message}})
