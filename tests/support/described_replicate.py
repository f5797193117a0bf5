"""A fake of Replicate whose models have schemas, written from its documentation, and providers that use it.

https://replicate.com/docs/reference/http and https://replicate.com/docs/reference/openapi
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from providers.hosted.retrying import Pace
from providers.replicate.api import Api
from providers.replicate.models import Callbacks, Models
from providers.replicate.provider import ReplicateProvider
from tests.support.fake_service import Asked, FakeService, Job, Json, Reply, clip_of
from tests.support.replicate import QUICK

OFFICIAL = "maker/official"
VERSIONED = "maker/frames:0123abcd"
UNSEEDED = "maker/unseeded"
# Has the fields of the first one.
TWIN = "maker/twin"
INPUT: Json = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "x-order": 0},
        "duration": {"allOf": [{"$ref": "#/components/schemas/duration"}], "default": 2},
        "aspect_ratio": {"allOf": [{"$ref": "#/components/schemas/aspect_ratio"}], "default": "16:9"},
        "resolution": {"enum": ["480p", "1080p"], "type": "string", "default": "480p"},
        "seed": {"type": "integer", "nullable": True},
        "negative_prompt": {"type": "string", "nullable": True},
        "generate_audio": {"type": "boolean", "default": False},
        "image": {"type": "string", "format": "uri", "nullable": True},
        "last_frame": {"type": "string", "format": "uri", "nullable": True},
        "reference_images": {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": 2},
        "camera_fixed": {"type": "boolean", "default": False},
        "guidance": {"type": "number", "minimum": 1, "maximum": 10},
    },
}
FRAMES: Json = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string"},
        "num_frames": {"type": "integer", "minimum": 9, "maximum": 33, "default": 17},
        "frames_per_second": {"type": "integer", "default": 16},
        "seed": {"type": "integer"},
    },
}
SCHEMAS: Json = {
    "duration": {"enum": [1, 2, 8], "type": "integer"},
    "aspect_ratio": {"enum": ["16:9", "9:16", "adaptive"], "type": "string"},
}
_PREDICTION = re.compile(r"/v1/predictions/(job-\d+)(/cancel)?")
_STATUS = {"pending": "starting", "running": "processing", "done": "succeeded"}


@dataclass
class DescribedReplicate(FakeService):
    """The service."""

    looks: int = 11

    def kind(self, asked: Asked) -> str:
        """Return the kind of a request."""
        match asked.method, asked.path:
            case "GET", path if path.startswith("/v1/models/"):
                return "models"
            case "POST", "/v1/predictions":
                return "create"
            case "GET", "/v1/predictions":
                return "list"
            case "POST", "/v1/files":
                return "upload"
            case "GET", path if path.startswith("/files/"):
                return "download"
            case _, path:
                return "cancel" if path.endswith("/cancel") else "get"

    def reply(self, kind: str, asked: Asked) -> Reply:
        """Answer a request."""
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401, {"title": "Unauthenticated", "detail": "You did not pass a valid token", "status": 401})
        match kind:
            case "models":
                return self._described(asked.path.removeprefix("/v1/models/"))
            case "create":
                given = asked.json
                return Reply(201, self._document(self.buy(given, given.get("webhook"))))
            case "list":
                return Reply(200, {"next": None, "results": [self._document(job) for job in self.jobs.values()][::-1]})
            case "upload":
                return Reply(201, {"id": "file-1", "urls": {"get": f"{self.origin}/v1/files/file-1"}})
            case "download":
                return clip_of(self.jobs[asked.path.removeprefix("/files/").removesuffix(".mp4")])
            case _:
                return self._of_prediction(kind, asked)

    def provider(
        self,
        pace: Pace = QUICK,
        *,
        token: str | None = None,
        callbacks: str = "",
        names: tuple[str, ...] = (OFFICIAL, VERSIONED),
    ) -> ReplicateProvider:
        """Make a provider that uses the fake, with short pauses."""
        api = Api(f"{self.origin}/v1", token or self.token)
        models = Models(api, pace, (), names, Callbacks(callbacks))
        return ReplicateProvider(api, models, pace, lifetime_seconds=1800, most_bytes=1_000_000)

    def _described(self, path: str) -> Reply:
        without_seed = {name: each for name, each in INPUT["properties"].items() if name != "seed"}
        inputs: dict[str, Json] = {
            OFFICIAL: INPUT,
            TWIN: INPUT,
            VERSIONED.replace(":", "/versions/"): FRAMES,
            UNSEEDED: {**INPUT, "properties": without_seed},
        }
        if path not in inputs:
            return Reply(404, {"detail": "The requested resource could not be found.", "status": 404})
        version = {"openapi_schema": {"components": {"schemas": {"Input": inputs[path], **SCHEMAS}}}}
        return Reply(200, version if "/versions/" in path else {"owner": "maker", "latest_version": version})

    def _of_prediction(self, kind: str, asked: Asked) -> Reply:
        found = _PREDICTION.fullmatch(asked.path)
        job = self.jobs.get(found.group(1)) if found else None
        if job is None:
            return Reply(404, {"detail": "Prediction not found", "status": 404})
        if kind == "cancel" and job.status in ("pending", "running"):
            job.status = "canceled"
        elif kind == "get":
            job.look(self.end, self.looks)
        return Reply(200, self._document(job))

    def _document(self, job: Job) -> Json:
        document: dict[str, Any] = {
            "id": job.id,
            "model": job.asked["version"].partition(":")[0],
            "version": "hidden",
            "input": job.asked["input"],
            "status": _STATUS.get(job.status, job.status),
            "logs": "\n".join(f"{10 * step}%|███   | {step}/10" for step in range(1, min(job.looks, 10) + 1)),
            "created_at": datetime.now(UTC).isoformat(),
            "output": None,
            "error": self.error,
        }
        if job.status == "done":
            document |= {"output": f"{self.origin}/files/{job.id}.mp4", "metrics": {"predict_time": 12.5}}
        return document
