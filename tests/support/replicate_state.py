"""What the fake of Replicate knows: predictions, how they get on, and the webhooks they send."""

import base64
import hashlib
import hmac
import json
import math
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tests.support.replicate_files import resolved
from tests.support.waiting import TIMEOUT_SECONDS

Json = dict[str, Any]

TOKEN = "r8_0123456789abcdefghijklmnopqrstuvwxyzA"
SECRET = "whsec_" + base64.b64encode(b"a secret of the fake provider...").decode()
VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
# A model that has no versions; its predictions have the version "hidden".
OFFICIAL = "maker/official"
OVER = {"succeeded", "failed", "canceled", "aborted"}


@dataclass
class Commands:
    """How the fake behaves; a test can change each of these."""

    # Predictions: their end, and whether they wait for it until they are released.
    outcome: str = "succeeded"
    error: Any = "CUDA out of memory"
    hold: bool = False
    out_of_time: bool = False
    log_progress: bool = True
    # What each look at a running prediction adds to its log; it ends after the last.
    logs: list[str] | None = None
    # Outputs: string, list, object, none or elsewhere; the content there, and whether content-length is sent.
    output: str = "string"
    # Any other shape, and what its files are by name: kind, type, redirect and status; see `replicate_files`.
    outputs: Any = None
    files: dict[str, Json] = field(default_factory=dict[str, Json])
    content_type: str = "video/mp4"
    garbage_bytes: int = 0
    send_length: bool = True
    age_seconds: float = 0.0
    # Whether instants have a time zone.
    zones: bool = True
    # Lists: the number of lists that do not contain a new prediction yet.
    page_size: int = 100
    list_webhooks: bool = True
    list_lag: int = 0
    # Webhooks: the actual address of each host; none are sent to other hosts.
    hosts: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class Prediction:
    """A prediction that was created."""

    id: str
    version: str
    input: Json
    webhook: str | None
    events: list[str]
    deadline: datetime | None
    commands: Commands
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed_at: datetime | None = None
    status: str = "starting"
    unlisted: int = 0
    steps: int = 0
    looks: int = 0
    error: str | None = None
    removed: bool = False

    @property
    def seconds(self) -> float:
        return float(self.input.get("duration", 2))

    @property
    def of_steps(self) -> int:
        if self.commands.logs is not None:
            return len(self.commands.logs) - 1
        return max(10, math.ceil(10 * self.seconds))

    def get_on(self) -> list[str]:
        """One look further; the events that come of it."""
        self.looks += 1
        if self.status == "starting":
            if self.commands.outcome == "aborted":
                return self.end("aborted")
            self.status = "processing"
            return ["start"]
        if self.status == "processing" and not self.commands.hold:
            self.steps += 1
            if self.steps > self.of_steps:
                return self.end(self.commands.outcome)
        return []

    def end(self, status: str) -> list[str]:
        """Reach a final status, once."""
        if self.status in OVER:
            return []
        self.status = status
        self.completed_at = datetime.now(UTC)
        self.error = self.commands.error if status == "failed" else None
        if self.commands.out_of_time:
            self.deadline = self.completed_at
        return ["completed"]

    def logs(self) -> str:
        """What tqdm writes."""
        if self.commands.logs is not None:
            return "".join(self.commands.logs[: self.steps + 1])
        bars = [
            f"{100 * step // self.of_steps:3d}%|{'█' * (10 * step // self.of_steps):10s}| {step}/{self.of_steps} "
            for step in range(min(self.steps, self.of_steps) + 1)
        ]
        return "Using seed: 1\n" + ("\n".join(bars) if self.commands.log_progress else "thinking…")

    def output(self, origin: str) -> Any:
        """What the model made, in the shape it likes."""
        if self.status != "succeeded" or self.removed or self.commands.output == "none":
            return None
        if self.commands.outputs is not None:
            return resolved(self.commands.outputs, f"{origin}/files/{self.id}", self.seconds)
        address = f"{origin}/files/{self.id}/out.mp4"
        shapes: Json = {
            "string": address,
            "list": [f"{origin}/files/{self.id}/still.png", address],
            "object": {"thumbnail": f"{origin}/files/{self.id}/still.png", "video": address},
            "elsewhere": "https://169.254.169.254/out.mp4",
        }
        return shapes[self.commands.output]

    def as_json(self, origin: str, *, listed: bool = False) -> Json:
        """Return the prediction in the format of the API."""
        address = f"{origin}/v1/predictions/{self.id}"
        fields: Json = {
            "id": self.id,
            "model": "scenewire/fake",
            "version": "hidden" if self.version == OFFICIAL else self.version,
            "input": {} if self.removed else self.input,
            "logs": "" if self.removed else self.logs(),
            "output": self.output(origin),
            "data_removed": self.removed,
            "error": self.error,
            "source": "api",
            "status": self.status,
            "created_at": stamp(self.created_at, zone=self.commands.zones),
            "completed_at": stamp(self.completed_at, zone=self.commands.zones),
            "metrics": {"predict_time": 1.5},
            "urls": {"get": address, "cancel": f"{address}/cancel", "web": f"https://replicate.com/p/{self.id}"},
        }
        if self.deadline is not None:
            fields["deadline"] = stamp(self.deadline, zone=self.commands.zones)
        if self.webhook is not None:
            fields |= {"webhook": self.webhook, "webhook_events_filter": self.events}
        if listed:
            del fields["logs"]
            if not self.commands.list_webhooks:
                fields = {name: value for name, value in fields.items() if not name.startswith("webhook")}
        return fields


class Fake:
    """All it knows; guarded by `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.origin = ""
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.commands = Commands()
        self.predictions: dict[str, Prediction] = {}
        self.faults: list[Json] = []
        self.counts: Counter[str] = Counter()
        self.keys: list[str] = []
        self.deliveries: list[int] = []

    def fault(self, what: str) -> Json | None:
        """The next fault for such a request, which is used up; with `skip` it lets so many pass first."""
        for fault in self.faults:
            if fault["on"] == what and fault["skip"] > 0:
                fault["skip"] -= 1
            elif fault["on"] == what:
                fault["times"] -= 1
                if fault["times"] == 0:
                    self.faults.remove(fault)
                return fault
        return None

    def state(self) -> Json:
        """What tests ask about."""
        predictions = [each.as_json(self.origin) | {"looks": each.looks} for each in self.predictions.values()]
        return {
            "counts": dict(self.counts),
            "predictions": predictions,
            "keys": self.keys,
            "deliveries": self.deliveries,
        }

    def happened(self, prediction: Prediction, events: list[str]) -> None:
        """Send the webhooks of these events, without waiting for the responses."""
        self.changed.notify_all()
        for event in events:
            if event in prediction.events and prediction.webhook is not None:
                body = json.dumps(prediction.as_json(self.origin)).encode()
                threading.Thread(target=self.deliver, args=(prediction.webhook, body), daemon=True).start()

    def send_webhook(self, arguments: Json) -> int:
        """Send a webhook about the newest prediction, with another signature, age or content if given."""
        prediction = list(self.predictions.values())[-1]
        assert prediction.webhook is not None
        document = prediction.as_json(self.origin) | arguments.get("fields", {})
        body = arguments["body"].encode() if "body" in arguments else json.dumps(document).encode()
        secret, age_seconds = arguments.get("secret", SECRET), arguments.get("age_seconds", 0.0)
        return self.deliver(prediction.webhook, body, secret, age_seconds)

    def deliver(self, webhook: str, body: bytes, signing: str = SECRET, age_seconds: float = 0.0) -> int:
        """Send one webhook. Return the status of the response, 0 when no server is configured for its host."""
        deliveries = self.deliveries  # after `reset`, the status belongs to no test any more
        parts = urlsplit(webhook)
        really = self.commands.hosts.get(f"{parts.scheme}://{parts.netloc}")
        if really is None:
            return 0
        headers = {"content-type": "application/json", **signature(body, signing, age_seconds)}
        request = urllib.request.Request(really + parts.path, body, headers)  # noqa: S310 - the URL is given by the test
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except OSError:
            status = 0
        with self.changed:
            deliveries.append(status)
            self.changed.notify_all()
        return status


def signature(body: bytes, secret: str, age_seconds: float) -> dict[str, str]:
    """The headers of a webhook; none without a secret."""
    if not secret:
        return {}
    name, sent_at = f"msg_{hashlib.sha256(body).hexdigest()[:20]}", str(int(time.time() - age_seconds))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    signed = f"v1,{base64.b64encode(b'of an older key').decode()} v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": name, "webhook-timestamp": sent_at, "webhook-signature": signed}


def stamp(moment: datetime | None, *, zone: bool = True) -> str | None:
    """Their stamps have more digits than Python's."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f00") + ("Z" if zone else "")
