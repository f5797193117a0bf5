"""Replicate's HTTP API as far as it is used, in a process of its own, and able to misbehave on command.

What it answers is what https://replicate.com/docs/reference/http describes. A prediction gets on by a tenth of a second
of its clip with each look at it, so that nothing depends on the clock. Commands come to addresses under /_fake.
"""

import io
import json
import random
import re
import string
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.replicate_files import HTML, content
from tests.support.replicate_state import OFFICIAL, OVER, TOKEN, VERSION, Commands, Fake, Json, Prediction
from tests.support.waiting import TIMEOUT_SECONDS

INPUTS: dict[str, tuple[type, ...]] = {"prompt": (str,), "duration": (int, float), "seed": (int,), "style": (str,)}
REQUEST = {"version", "input", "stream", "webhook", "webhook_events_filter"}


class Cut(Exception):
    """The connection ends without an answer."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: Fake

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.answer("POST")

    def answer(self, method: str) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            if path.startswith("/_fake/"):
                self.send(200, self.obey(path.removeprefix("/_fake/"), json.loads(body or b"{}")))
            elif path.startswith("/files/"):
                self.misbehave("download", lambda: self.send_file(*path.split("/")[2:4]))
            elif self.headers.get("authorization") != f"Bearer {TOKEN}":
                detail = f"You did not pass a valid authentication token: {self.headers.get('authorization')}"
                self.send(401, {"title": "Unauthenticated", "detail": detail, "status": 401})
            else:
                self.route(method, path, body)
        except (Cut, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self, method: str, path: str, body: bytes) -> None:
        match method, path.removeprefix("/v1/predictions").strip("/").split("/"):
            case "POST", [""]:
                self.misbehave("create", lambda: self.send(*self.create(json.loads(body))))
            case "GET", [""]:
                self.misbehave("list", lambda: self.send(200, self.list()))
            case "GET", ["v1", "account"]:
                account = {"type": "organization", "username": "acme", "name": "Acme", "github_url": ""}
                self.misbehave("account", lambda: self.send(200, account))
            case "GET", [name]:
                self.misbehave("get", lambda: self.send(*self.get(name)))
            case "POST", [name, "cancel"]:
                self.misbehave("cancel", lambda: self.send(*self.cancel(name)))
            case _:
                self.send(
                    404, {"title": "Not found", "detail": "The requested resource does not exist.", "status": 404}
                )

    def misbehave(self, what: str, behave: Any) -> None:
        """Do what is asked, unless a fault was ordered for it."""
        with self.fake.changed:
            self.fake.counts[what] += 1
            self.fake.changed.notify_all()
            fault = self.fake.fault(what)
        match fault:
            case None:
                behave()
            case {"do": "status", "status": status}:
                waits = {"retry-after": str(fault["retry_after"])} if "retry_after" in fault else {}
                document = {"detail": fault.get("detail", "Something went wrong."), "status": status}
                self.send(status, document | {name: fault[name] for name in fault if name == "body_wait"}, waits)
            case {"do": "page", "status": status}:
                self.send(status, HTML)
            case {"do": "redirect", "location": location}:
                self.send(302, {}, {"location": location})
            case {"do": "cut"}:
                raise Cut
            case {"do": "delay"}:
                # It is done at once and answered later.
                wire, self.wfile = self.wfile, io.BytesIO()
                behave()
                time.sleep(fault["seconds"])
                wire.write(self.wfile.getvalue())
                self.wfile = wire
            case {"do": "lose"}:
                # It is done, but no response is sent; with seconds, the connection stays open for that time.
                self.wfile = io.BytesIO()
                behave()
                time.sleep(fault.get("seconds", 0))
                raise Cut
            case _:
                raise AssertionError(fault)

    def create(self, asked: Json) -> tuple[int, Json]:
        wrong = self.wrong(asked)
        if wrong is not None:
            return 422, wrong
        fake, now = self.fake, datetime.now(UTC)
        life = re.fullmatch(r"(\d+)s", self.headers.get("cancel-after", ""))
        deadline = now + timedelta(seconds=int(life.group(1))) if life else None
        name = "".join(random.choices(string.ascii_lowercase + "234567", k=26))
        prediction = Prediction(
            name,
            asked["version"],
            asked["input"],
            asked.get("webhook"),
            asked.get("webhook_events_filter", ["start", "output", "logs", "completed"]),
            deadline,
            fake.commands,
            created_at=now - timedelta(seconds=fake.commands.age_seconds),
            unlisted=fake.commands.list_lag,
        )
        with fake.changed:
            fake.predictions[name] = prediction
            fake.counts["creations"] += 1
            fake.keys.append(self.headers.get("idempotency-key", ""))
            fake.changed.notify_all()
        return 201, prediction.as_json(fake.origin)

    def wrong(self, asked: Json) -> Json | None:
        fields = [
            {"field": name, "description": f"Additional property {name} is not allowed"}
            for name in sorted(set(asked) - REQUEST)
        ]
        given: Json = asked.get("input", {})
        fields += [
            {"field": f"input.{name}", "description": f"Additional property {name} is not allowed"}
            for name in sorted(set(given) - set(INPUTS))
        ]
        fields += [
            {"field": f"input.{name}", "description": "Invalid type"}
            for name in sorted(set(given) & set(INPUTS))
            if not isinstance(given[name], INPUTS[name])
        ]
        if not given.get("prompt"):
            fields.append({"field": "input.prompt", "description": "prompt is required"})
        if not str(asked.get("webhook", "https://")).startswith("https://"):
            fields.append({"field": "webhook", "description": "webhook must be an HTTPS URL"})
        detail = "\n".join(f"- {each['field']}: {each['description']}" for each in fields)
        if fields:
            return {"title": "Input validation failed", "detail": detail, "status": 422, "invalid_fields": fields}
        if asked.get("version") not in (VERSION, OFFICIAL):
            detail = "The specified version does not exist (or perhaps you don't have permission to use it?)"
            return {"title": "Invalid version or not permitted", "detail": detail, "status": 422}
        return None

    def get(self, name: str) -> tuple[int, Json]:
        with self.fake.changed:
            prediction = self.fake.predictions.get(name)
            if prediction is None:
                return 404, {"detail": "Prediction not found", "status": 404}
            self.fake.happened(prediction, prediction.get_on())
            return 200, prediction.as_json(self.fake.origin)

    def cancel(self, name: str) -> tuple[int, Json]:
        with self.fake.changed:
            prediction = self.fake.predictions.get(name)
            if prediction is None:
                return 404, {"detail": "Prediction not found", "status": 404}
            self.fake.counts["canceled"] += prediction.status not in OVER
            self.fake.happened(prediction, prediction.end("canceled"))
            return 200, prediction.as_json(self.fake.origin)

    def list(self) -> Json:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        after = datetime.fromisoformat(query.get("created_after", "2000-01-01T00:00:00+00:00"))
        start = int(query.get("cursor", "0"))
        size = self.fake.commands.page_size
        with self.fake.changed:
            listed = [each for each in self.fake.predictions.values() if each.unlisted == 0]
            found = sorted((each for each in listed if each.created_at >= after), key=lambda each: each.created_at)
            found.reverse()
            for each in self.fake.predictions.values():
                each.unlisted = max(0, each.unlisted - 1)
            page = [each.as_json(self.fake.origin, listed=True) for each in found[start : start + size]]
        more = urlencode(query | {"cursor": start + size})
        # Their own examples give the address without encryption.
        following = f"http://api.replicate.com/v1/predictions?{more}" if start + size < len(found) else None
        return {"previous": None, "next": following, "results": page}

    def send_file(self, name: str, file_name: str) -> None:
        prediction = self.fake.predictions[name]
        commands = prediction.commands
        file = commands.files.get(file_name, {})
        if prediction.removed:
            self.send(404, {"detail": "Not found"})
            return
        if "redirect" in file:
            self.send(file.get("status", 302), {}, {"location": file["redirect"]})
            return
        kind = file.get("kind", "png" if file_name.endswith("png") else "mp4")
        body = b"\0" * commands.garbage_bytes or content(kind, prediction.seconds)
        self.send_response(200)
        if content_type := file.get("type", commands.content_type):
            self.send_header("content-type", content_type)
        if commands.send_length:
            self.send_header("content-length", str(len(body)))
        else:
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def obey(self, command: str, arguments: Json) -> Json:
        fake = self.fake
        match command:
            case "send":
                return {"status": fake.send_webhook(arguments)}
            case "until":
                with fake.changed:
                    reached = fake.changed.wait_for(
                        lambda: all(self.count(name) >= least for name, least in arguments.items()),
                        timeout=TIMEOUT_SECONDS,
                    )
                    return {"reached": reached, "counts": dict(fake.counts), "looks": self.count("looks")}
            case _:
                with fake.changed:
                    self.change(command, arguments)
                    fake.changed.notify_all()
                    return fake.state()

    def count(self, name: str) -> int:
        if name == "looks":
            return min((each.looks for each in self.fake.predictions.values()), default=0)
        return len(self.fake.deliveries) if name == "deliveries" else self.fake.counts[name]

    def change(self, command: str, arguments: Json) -> None:
        fake = self.fake
        match command:
            case "state":
                pass
            case "reset":
                fake.reset()
            case "mend":
                fake.faults.clear()
            case "behave":
                fake.commands = Commands(**(vars(fake.commands) | arguments))
            case "fault":
                fake.faults.append({"times": 1, "skip": 0} | arguments)
            case "release":
                for prediction in fake.predictions.values():
                    fake.happened(prediction, prediction.end(prediction.commands.outcome))
            case "expire":
                for prediction in fake.predictions.values():
                    prediction.removed = True
            case _:
                raise AssertionError(command)

    def send(self, status: int, document: Json | bytes, headers: dict[str, str] | None = None) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        kind = "text/html" if isinstance(document, bytes) else "application/json"
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - their name
        pass


def main() -> None:
    """Serve on a free port until killed, and say where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.fake = Fake()
    Handler.fake.origin = f"http://127.0.0.1:{server.server_port}"
    print(Handler.fake.origin, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
