"""Another fake of Replicate, as a program with the same commands below /_fake as `tests.support.replicate_server`."""

import json
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.replicate_files import HTML, content
from tests.support.replicate_state import TOKEN
from tests.support.strange_replicate_requests import Problem
from tests.support.strange_replicate_state import Account, Json, Run
from tests.support.strange_replicate_webhooks import post


class Hangup(Exception):
    """The connection ends without a response."""


class Connection(BaseHTTPRequestHandler):
    """A connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    account: Account
    held: list[tuple[int, Json]] | None = None

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def serve(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        address = urlsplit(self.path)
        try:
            if address.path == "/_fake/send":
                self.reply(200, {"status": self.sent(json.loads(body))})
                return
            if address.path.startswith("/_fake/"):
                with self.account.turn:
                    body_json = self.account.obey(address.path.removeprefix("/_fake/"), json.loads(body or b"{}"))
                    self.account.turn.notify_all()
                self.reply(200, body_json)
                return
            kind, work = self.routed(address.path, body)
            self.perform(kind, work)
        except Problem as problem:
            self.reply(problem.status, problem.document)
        except (Hangup, ConnectionError):
            self.close_connection = True

    def routed(self, path: str, body: bytes) -> tuple[str, Callable[[], None]]:
        """Return the kind of a request and what serves it. Raises Problem."""
        if self.headers.get("Authorization") not in (f"Bearer {TOKEN}", f"Token {TOKEN}"):
            said = self.headers.get("Authorization")
            raise Problem(401, f"You did not pass a valid authentication token, but {said}", "Unauthenticated")
        account = self.account
        match self.command, path.strip("/").split("/"):
            case "POST", ["v1", "predictions"]:
                return "create", lambda: self.reply(201, account.create(json.loads(body), self.lowered()))
            case "GET", ["v1", "predictions"]:
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                return "list", lambda: self.reply(200, account.page(query))
            case "GET", ["v1", "predictions", name]:
                return "get", lambda: self.reply(200, account.look(name))
            case "POST", ["v1", "predictions", name, "cancel"]:
                return "cancel", lambda: self.reply(200, account.cancel(name))
            case "GET", ["pbxt", name, file]:
                return "download", lambda: self.deliver(account.run(name), file)
            case _:
                raise Problem(404, "The requested resource does not exist.")

    def sent(self, how: Json) -> int | None:
        """Send another webhook about the newest prediction, forged as the test wants it."""
        with self.account.turn:
            webhook, document, hosts = self.account.newest()
        body = how["body"] if "body" in how else json.dumps(document | how.get("fields", {}))
        forged = {name: how[name] for name in ("secret", "age_seconds") if name in how}
        status = post(webhook, body.encode(), hosts, message_id="msg_of_a_test", **forged)
        with self.account.turn:
            self.account.deliveries += [status or 0]
        return status

    def lowered(self) -> dict[str, str]:
        """Return the headers with their names in lower case."""
        return {name.lower(): value for name, value in self.headers.items()}

    def perform(self, kind: str, work: Callable[[], None]) -> None:
        """Serve a request, unless a fault was ordered for its kind."""
        account = self.account
        with account.turn:
            account.counts[kind] += 1
            fault = account.fault(kind)
            account.turn.notify_all()
        match fault:
            case None:
                with account.turn:
                    work()
                    account.turn.notify_all()
            case {"do": "status", "status": status}:
                body_json = {"detail": fault.get("detail", "Something went wrong."), "status": status}
                body_json |= {name: value for name, value in fault.items() if name == "retry_after_body"}
                headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
                self.reply(status, body_json, headers)
            case {"do": "page", "status": status}:
                self.send(status, HTML, {"Content-Type": "text/html; charset=utf-8"})
            case {"do": "redirect", "location": location}:
                self.send(302, b"", {"Location": location})
            case {"do": "cut"}:
                raise Hangup
            case {"do": "lose" | "delay"}:
                self.unheard(work, fault)
            case _:
                raise AssertionError(fault)

    def unheard(self, work: Callable[[], None], fault: Json) -> None:
        """Do the work, and answer late or never."""
        self.held = []
        with self.account.turn:
            work()
            self.account.turn.notify_all()
        replies, self.held = self.held, None
        time.sleep(fault.get("seconds", 0))
        if fault["do"] == "lose":
            raise Hangup
        for status, document in replies:
            self.reply(status, document)

    def deliver(self, run: Run, name: str) -> None:
        """Send a file of an output."""
        if run.removed:
            raise Problem(404, "Not found")
        file: Json = run.wishes["files"].get(name, {})
        if "redirect" in file:
            self.send(file.get("status", 302), b"", {"Location": file["redirect"]})
            return
        garbage: int = run.wishes["garbage_bytes"]
        body = b"\0" * garbage or content(file.get("kind", "png" if name.endswith("png") else "mp4"), run.seconds)
        content_type = file.get("type", run.wishes["content_type"])
        headers = {"Content-Type": content_type} if content_type else {}
        self.send(200, body, headers, with_length=run.wishes["send_length"])

    def reply(self, status: int, document: Json, headers: Mapping[str, str] | None = None) -> None:
        """Send JSON, or keep it for later."""
        if self.held is not None:
            self.held.append((status, document))
            return
        self.send(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})

    def send(self, status: int, body: bytes, headers: Mapping[str, str], *, with_length: bool = True) -> None:
        """Send a response; without a length its end is that of the connection."""
        self.send_response(status)
        length = {"Content-Length": str(len(body))} if with_length else {"Connection": "close"}
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.close_connection = self.close_connection or not with_length
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - their name
        pass


def main() -> None:
    """Serve on a free port until killed, and print the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    Connection.account = Account()
    Connection.account.origin = f"http://127.0.0.1:{server.server_port}"
    print(Connection.account.origin, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
