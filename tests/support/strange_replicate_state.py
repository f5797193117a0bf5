"""What another fake of Replicate knows, written from the public API documentation and not from our client.

Sources: the OpenAPI description at https://api.replicate.com/openapi.json, and the pages on creating predictions, their
lifecycle, output files, data retention, rate limits and error codes at https://replicate.com/docs. Where these leave
something open, it does what is hard on a client: no response has the field `webhook`, which the description does not
know; a list has no logs; the link to the next page is nothing but an opaque cursor; files need the token.
"""

import base64
import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.replicate_files import resolved
from tests.support.strange_replicate_requests import Problem, check_request, lifetime_of
from tests.support.strange_replicate_webhooks import deliver
from tests.support.waiting import TIMEOUT_SECONDS

Json = dict[str, Any]
TERMINAL = ("succeeded", "failed", "canceled", "aborted")
CURSOR_PREFIX = "p="
# The other fake's defaults; see its `Commands` for what each means.
WISHES: Json = {
    "outcome": "succeeded",
    "error": "CUDA out of memory",
    "hold": False,
    "out_of_time": False,
    "log_progress": True,
    "logs": None,
    "output": "string",
    "outputs": None,
    "files": {},
    "content_type": "video/mp4",
    "garbage_bytes": 0,
    "send_length": True,
    "age_seconds": 0.0,
    "page_size": 100,
    "list_webhooks": False,
    "list_lag": 0,
    "zones": True,
    "hosts": {},
}
OUTPUTS: Json = {
    "string": "file:out.mp4",
    "list": ["file:still.png", "file:out.mp4"],
    "object": {"thumbnail": "file:still.png", "video": "file:out.mp4"},
    "elsewhere": "elsewhere:out.mp4",
    "none": None,
}


class Run:
    """A prediction: what was asked for, and the plan of states that it passes through, one with each look at it."""

    def __init__(self, request: Json, wishes: Json, lifetime: timedelta | None) -> None:
        self.id = secrets.token_hex(13)
        self.request = request
        self.wishes = wishes
        self.created = datetime.now(UTC) - timedelta(seconds=wishes["age_seconds"])
        self.deadline = None if lifetime is None else self.created + lifetime
        self.started: datetime | None = None
        self.completed: datetime | None = None
        self.status = "starting"
        self.logs = ""
        self.looks = 0
        self.unlisted: int = wishes["list_lag"]
        self.removed = False
        self.plan = self._plan()

    @property
    def seconds(self) -> float:
        return float(self.request["input"].get("duration", 2))

    def _plan(self) -> list[tuple[str, str]]:
        end = self.wishes["outcome"]
        if end == "aborted":
            return [(end, "")]
        if self.wishes["logs"] is not None:
            return [("processing", logs) for logs in self.wishes["logs"]] + [(end, "")]
        steps = max(10, -int(-10 * self.seconds // 1))
        bars = [
            f"{100 * step // steps}%|{'#' * step}| {step}/{steps} [00:{step:02},  1.00s/it]\n"
            for step in range(steps + 1)
        ]
        lines = bars if self.wishes["log_progress"] else ["still thinking\n"] * len(bars)
        return [("processing", line) for line in lines] + [(end, "")]

    def look(self) -> None:
        """Pass on to the next state of the plan, unless the test holds it."""
        self.looks += 1
        holds = self.wishes["hold"] and self.status == "processing"
        if self.status in TERMINAL or holds or not self.plan:
            return
        status, logs = self.plan.pop(0)
        self.started = self.started or datetime.now(UTC)
        self.logs += logs
        if status in TERMINAL:
            self.end(status)
        else:
            self.status = status

    def end(self, status: str) -> bool:
        """Reach a terminal state, if there is none yet; return whether it did."""
        if self.status in TERMINAL:
            return False
        self.status, self.completed = status, datetime.now(UTC)
        if self.wishes["out_of_time"]:
            self.deadline = self.completed
        return True

    def output(self, origin: str) -> Any:
        """The output, whose files are at the delivery of this fake."""
        if self.status != "succeeded" or self.removed:
            return None
        wanted = self.wishes["outputs"]
        shape = OUTPUTS[self.wishes["output"]] if wanted is None else wanted
        return resolved(shape, f"{origin}/pbxt/{self.id}", self.seconds)

    def document(self, origin: str, *, listed: bool = False) -> Json:
        """The prediction as the API describes it."""
        address = f"{origin}/v1/predictions/{self.id}"
        version = str(self.request["version"])
        document: Json = {
            "id": self.id,
            "model": version.partition(":")[0] if "/" in version else "stranger/model",
            "version": version.rpartition(":")[2] if "/" not in version or ":" in version else "hidden",
            "input": {} if self.removed else self.request["input"],
            "output": self.output(origin),
            "error": self.wishes["error"] if self.status == "failed" else None,
            "status": self.status,
            "created_at": self._stamp(self.created),
            "data_removed": self.removed,
            "source": "api",
            "urls": {
                "web": f"https://replicate.com/p/{self.id}",
                "get": address,
                "cancel": f"{address}/cancel",
                "stream": f"{origin}/v1/stream/{self.id}",
            },
        }
        if not listed:
            document["logs"] = "" if self.removed else self.logs
        if self.started is not None:
            document["started_at"] = self._stamp(self.started)
        if self.completed is not None:
            document["completed_at"] = self._stamp(self.completed)
            document["metrics"] = {"predict_time": 0.5, "total_time": 1.25}
        if self.deadline is not None:
            document["deadline"] = self._stamp(self.deadline)
        return document

    def _stamp(self, moment: datetime) -> str:
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + ("Z" if self.wishes["zones"] else "")


class Account:
    """Everything that the stranger keeps, guarded by `turn`."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.origin = ""
        self.forget()

    def forget(self) -> None:
        self.wishes = dict(WISHES)
        self.runs: dict[str, Run] = {}
        self.counts: Counter[str] = Counter()
        self.keys: list[str] = []
        self.deliveries: list[int] = []
        self.faults: list[Json] = []

    def create(self, request: Json, headers: Mapping[str, str]) -> Json:
        check_request(request)
        lifetime = lifetime_of(headers.get("cancel-after"))
        run = Run(request, self.wishes, lifetime)
        self.runs[run.id] = run
        self.counts["creations"] += 1
        self.keys.append(headers.get("idempotency-key", ""))
        return run.document(self.origin)

    def look(self, name: str) -> Json:
        """Return a prediction, which passes on to its next state."""
        run = self.run(name)
        before = run.status
        run.look()
        if run.status != before:
            self.tell(run, "completed" if run.status in TERMINAL else "start")
        return run.document(self.origin)

    def cancel(self, name: str) -> Json:
        """Cancel a prediction, unless it is over."""
        run = self.run(name)
        if run.end("canceled"):
            self.counts["canceled"] += 1
            self.tell(run, "completed")
        return run.document(self.origin)

    def tell(self, run: Run, event: str) -> None:
        """Send the webhook of an event, if it is asked for, without waiting for the response."""
        address = run.request.get("webhook")
        if address is None or event not in run.request.get("webhook_events_filter", ["start", "completed"]):
            return
        document, hosts = run.document(self.origin), self.wishes["hosts"]
        threading.Thread(
            target=self._deliver, args=(address, document, hosts, event, self.deliveries), daemon=True
        ).start()

    def _deliver(self, address: str, document: Json, hosts: Json, event: str, deliveries: list[int]) -> None:
        """Send a webhook, and note its statuses: after `forget` they belong to no test any more."""
        statuses = deliver(address, document, hosts, final=event == "completed")
        with self.turn:
            deliveries += statuses
            self.turn.notify_all()

    def newest(self) -> tuple[str, Json, Json]:
        """Return the webhook and the state of the newest prediction, and where hosts really are."""
        run = list(self.runs.values())[-1]
        return run.request["webhook"], run.document(self.origin), self.wishes["hosts"]

    def run(self, name: str) -> Run:
        if name not in self.runs:
            raise Problem(404, "The requested resource does not exist, or you don't have permission to see it.")
        return self.runs[name]

    def page(self, query: Mapping[str, str]) -> Json:
        if "cursor" in query:
            inner = base64.urlsafe_b64decode(query["cursor"]).decode().removeprefix(CURSOR_PREFIX)
            start_text, _, after_text = inner.partition(" ")
        else:
            start_text, after_text = "0", query.get("created_after", "")
        start = int(start_text)
        after = datetime.fromisoformat(after_text) if after_text else datetime.min.replace(tzinfo=UTC)
        visible = [run for run in self.runs.values() if run.unlisted == 0 and run.created >= after]
        for run in self.runs.values():
            run.unlisted = max(0, run.unlisted - 1)
        visible.sort(key=lambda run: run.created, reverse=True)
        size = self.wishes["page_size"]
        following = None
        if len(visible) > start + size:
            cursor = base64.urlsafe_b64encode(f"{CURSOR_PREFIX}{start + size} {after_text}".encode()).decode()
            following = f"https://api.replicate.com/v1/predictions?cursor={cursor}"
        documents = [run.document(self.origin, listed=True) for run in visible[start : start + size]]
        return {"next": following, "previous": None, "results": documents}

    def fault(self, kind: str) -> Json | None:
        for fault in self.faults:
            if fault["on"] != kind:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            if fault["times"] <= 0:
                self.faults.remove(fault)
            return fault
        return None

    def state(self) -> Json:
        listed = [
            run.document(self.origin) | {"looks": run.looks, "webhook": run.request.get("webhook")}
            for run in self.runs.values()
        ]
        return {"counts": dict(self.counts), "predictions": listed, "keys": self.keys, "deliveries": self.deliveries}

    def reached(self, wanted: Mapping[str, int]) -> bool:
        counts = self.counts | Counter(
            looks=min((run.looks for run in self.runs.values()), default=0), deliveries=len(self.deliveries)
        )
        return all(counts[name] >= least for name, least in wanted.items())

    def obey(self, command: str, arguments: Json) -> Json:
        """Carry out a command of a test."""
        if command == "until":
            reached = self.turn.wait_for(lambda: self.reached(arguments), timeout=TIMEOUT_SECONDS)
            return {"reached": reached, "counts": dict(self.counts)}
        match command:
            case "state":
                pass
            case "reset":
                self.forget()
            case "mend":
                self.faults.clear()
            case "behave":
                assert arguments.keys() <= WISHES.keys(), arguments
                self.wishes = self.wishes | arguments
            case "fault":
                self.faults.append(dict(arguments))
            case "release":
                for run in self.runs.values():
                    if run.end(run.wishes["outcome"]):
                        self.tell(run, "completed")
            case "expire":
                for run in self.runs.values():
                    run.removed = True
            case _:
                raise AssertionError(command)
        return self.state()
