"""A fake of fal's queue and platform API, written from their documentation, and providers that use it.

https://fal.ai/docs/documentation/model-apis/inference/queue and https://fal.ai/docs/platform-apis
"""

import base64
import hashlib
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers.fal.client import Addresses, FalClient
from providers.fal.webhooks import SigningKeys
from providers.hosted.provider import HostedProvider
from providers.hosted.retrying import Pace
from tests.support.fake_service import Asked, FakeService, Job, Json, Reply, clip_of
from tests.support.replicate import QUICK

CALLBACKS = "https://scenewire.test"
MODEL = "maker/kling/v2/image-to-video"
UNSEEDED = "maker/unseeded"
# Takes any length.
PLAIN = "maker/plain"
NAMES = (MODEL, UNSEEDED, PLAIN)
FIELDS: Json = {
    "prompt": {"type": "string", "maxLength": 200},
    "duration": {"type": "string", "enum": ["1", "2", "8s"], "default": "2"},
    "aspect_ratio": {"enum": ["16:9", "9:16"], "type": "string", "default": "16:9"},
    "resolution": {"type": "string", "enum": ["720p", "1080p"]},
    "seed": {"anyOf": [{"type": "integer", "maximum": 2147483647, "minimum": 0}, {"type": "null"}]},
    "negative_prompt": {"type": "string"},
    "generate_audio": {"type": "boolean", "default": True},
    "image_url": {"type": "string"},
    "tail_image_url": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "reference_image_urls": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    "cfg_scale": {"type": "number", "minimum": 0, "maximum": 1},
    "style": {"$ref": "#/components/schemas/Style"},
    "sync_mode": {"type": "boolean"},
}
_REQUEST = re.compile(r"/maker/(?:kling|unseeded|plain)/requests/(job-\d+)(/status|/cancel)?")
_STATUS = {"pending": "IN_QUEUE", "running": "IN_PROGRESS"}


@dataclass
class FakeFal(FakeService):
    """The service. `lists_running`: its history has requests that are not finished yet."""

    looks: int = 11
    lists_running: bool = False
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def kind(self, asked: Asked) -> str:
        """Return the kind of a request."""
        match asked.method, asked.path:
            case "GET", "/v1/models":
                return "models"
            case "GET", "/v1/models/requests/by-endpoint":
                return "list"
            case "GET", "/jwks.json":
                return "keys"
            case "POST", _:
                return "create"
            case "PUT", _:
                return "cancel"
            case "GET", path if path.startswith("/files/"):
                return "download"
            case "GET", path if path.endswith("/status"):
                return "get"
            case _:
                return "result"

    def reply(self, kind: str, asked: Asked) -> Reply:
        """Answer a request."""
        if kind == "download":
            return clip_of(self.jobs[asked.path.removeprefix("/files/").removesuffix(".mp4")])
        if kind == "keys":
            return Reply(200, {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": _text(self.key)}]})
        if asked.headers.get("authorization") != f"Key {self.token}":
            return Reply(401, {"detail": f"Cannot access with {asked.headers.get('authorization')}"})
        match kind:
            case "models":
                return self._described(asked.query["endpoint_id"])
            case "list":
                return self._listed(asked)
            case "create":
                return self._create(asked)
            case _:
                return self._of_request(kind, asked)

    def signed(self, body: bytes, *, age_seconds: float = 0.0) -> dict[str, str]:
        """Return the headers of a callback."""
        values = ("a-request", "a-user", str(round(time.time() - age_seconds)))
        message = "\n".join((*values, hashlib.sha256(body).hexdigest())).encode()
        names = ("request-id", "user-id", "timestamp", "signature")
        return {
            f"x-fal-webhook-{name}": value
            for name, value in zip(names, (*values, self.key.sign(message).hex()), strict=True)
        }

    def provider(
        self, pace: Pace = QUICK, *, token: str | None = None, callbacks: str = "", **more: Any
    ) -> HostedProvider:
        """Make a provider that uses the fake, with short pauses."""
        client = FalClient(
            Addresses(self.origin, f"{self.origin}/v1"),
            token or self.token,
            pace,
            **({"names": NAMES} | more),
            callbacks=callbacks,
            keys=SigningKeys(f"{self.origin}/jwks.json", pace) if callbacks else None,
        )
        return HostedProvider("fal", client, pace, most_bytes=1_000_000)

    def _described(self, name: str) -> Reply:
        if name not in NAMES:
            return Reply(200, {"models": []})
        fields = {key: value for key, value in FIELDS.items() if name != UNSEEDED or key != "seed"}
        if name == PLAIN:
            fields["duration"] = {"type": "number", "minimum": 0.5, "maximum": 60}
        document: Json = {
            "components": {
                "schemas": {
                    "Input": {"type": "object", "properties": fields, "required": ["prompt"]},
                    "Style": {"type": "string", "enum": ["film", "anime"]},
                }
            },
            "paths": {
                f"/{name}/requests/{{request_id}}/cancel": {"put": {}},
                f"/{name}": {
                    "post": {
                        "requestBody": {
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Input"}}}
                        }
                    }
                },
            },
        }
        return Reply(200, {"models": [{"endpoint_id": name, "openapi": document}]})

    def _create(self, asked: Asked) -> Reply:
        name, body = asked.path.strip("/"), asked.json
        if name not in NAMES or set(body) - set(FIELDS) or not body.get("prompt"):
            return Reply(422, {"detail": [{"loc": ["body"], "msg": "field required", "type": "value_error.missing"}]})
        job = self.buy(body, asked.query.get("fal_webhook"))
        job.asked["_name"] = name
        return Reply(200, self._addresses(job))

    def _addresses(self, job: Job) -> Json:
        path = f"{self.origin}/{'/'.join(job.asked['_name'].split('/')[:2])}/requests/{job.id}"
        return {
            "request_id": job.id,
            "response_url": path,
            "status_url": f"{path}/status",
            "cancel_url": f"{path}/cancel",
            "queue_position": 0,
        }

    def _of_request(self, kind: str, asked: Asked) -> Reply:
        found = _REQUEST.fullmatch(asked.path)
        job = self.jobs.get(found.group(1)) if found else None
        if job is None:
            return Reply(404, {"detail": "Request not found"})
        if kind == "cancel":
            if job.status not in ("pending", "running"):
                return Reply(400, {"status": "ALREADY_COMPLETED"})
            job.status = "canceled"
            return Reply(202, {"status": "CANCELLATION_REQUESTED"})
        if kind == "result":
            return self._result(job)
        job.look(self.end, self.looks)
        if job.status in _STATUS:
            logs = [
                {"message": f"{10 * job.looks}%|███   | {job.looks}/10", "level": "INFO", "timestamp": "2026-01-01"}
            ]
            return Reply(202, {"status": _STATUS[job.status], "logs": logs, "queue_position": 0})
        answer: Json = {"status": "COMPLETED", "metrics": {"inference_time": 3.7}, "logs": []}
        if job.status == "canceled":
            answer |= {"error": "Request was cancelled", "error_type": "request_cancelled"}
        return Reply(200, answer)

    def _result(self, job: Job) -> Reply:
        if job.status == "refused":
            return Reply(
                422, {"detail": [{"loc": ["body", "prompt"], "msg": self.error, "type": "content_policy_violation"}]}
            )
        video = {"url": f"{self.origin}/files/{job.id}.mp4", "content_type": "video/mp4"}
        return Reply(200, {"video": video, **({"seed": job.asked["seed"]} if "seed" in job.asked else {})})

    def _listed(self, asked: Asked) -> Reply:
        assert asked.query["expand"] == "payloads"
        items = [
            {
                "request_id": job.id,
                "endpoint_id": job.asked["_name"],
                "sent_at": datetime.now(UTC).isoformat(),
                "json_input": {name: value for name, value in job.asked.items() if name != "_name"},
            }
            for job in self.jobs.values()
            if job.asked["_name"] == asked.query["endpoint_id"]
            and (self.lists_running or job.status not in ("pending", "running"))
        ]
        # Each page has one.
        start = int(asked.query.get("cursor", "0"))
        more = start + 1 < len(items)
        return Reply(200, {"items": items[start : start + 1], "has_more": more, "next_cursor": str(start + 1)})


def _text(key: Ed25519PrivateKey) -> str:
    return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
