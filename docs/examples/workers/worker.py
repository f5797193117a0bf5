"""A worker that leases takes of Scenewire and renders each by a command: `python worker.py my-renderer --fast`.

The command reads the lease as JSON from its input, prints percentages, and writes its last argument, a video file.
Environment: SCENEWIRE_URL, SCENEWIRE_TOKEN, WORKER_NAME, WORKER_MODELS (comma-separated). Needs httpx.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

LEASE_SECONDS = int(os.environ.get("LEASE_SECONDS", "30"))
WORKER = {"name": os.environ.get("WORKER_NAME", "gpu-1"), "models": os.environ.get("WORKER_MODELS", "wan").split(",")}
URL = os.environ["SCENEWIRE_URL"] + "/api/v3/leases/"
HEADERS = {"authorization": "Bearer " + os.environ["SCENEWIRE_TOKEN"]} if "SCENEWIRE_TOKEN" in os.environ else {}
HTTP = httpx.Client(timeout=60)


def send(url: str, method: str = "POST", **request: Any) -> httpx.Response:
    """Send a request, and again while the server cannot be reached: each call may be repeated."""
    options: dict[str, Any] = {"headers": HEADERS, **request}
    while True:
        try:
            answer = HTTP.request(method, url, **options)
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
        except httpx.TransportError as error:
            sys.stderr.write(f"{error}\n")
        time.sleep(1)


def renew(token: str, progress: dict[str, float], rendering: "subprocess.Popen[str]", done: threading.Event) -> None:
    """Renew the lease until the take is done; stop rendering when the lease is lost."""
    while not done.wait(1 if progress else LEASE_SECONDS / 3):
        if send(URL + "renew", json={"token": token, **progress}).status_code == 409:
            rendering.terminate()


def render(lease: dict[str, Any], clip: Path) -> None:
    """Render one take, and deliver its clip or say why there is none."""
    token, progress, done = lease["token"], dict[str, float](), threading.Event()
    order = clip.with_suffix(".json")
    order.write_text(json.dumps(lease))
    rendering = subprocess.Popen([*sys.argv[1:], clip], stdin=order.open(), stdout=subprocess.PIPE, text=True)  # noqa: S603 # the operator's own program
    threading.Thread(target=renew, args=(token, progress, rendering, done), daemon=True).start()
    with rendering:
        for line in rendering.stdout or ():
            progress["percentage"] = float(line)
    if rendering.returncode:
        failure = {"code": "RENDER_FAILED", "message": f"Exit code {rendering.returncode}.", "retryable": True}
        send(URL + "fail", json={"token": token, **failure})
    else:
        target = lease["clip"]
        send(target["url"], target["method"], content=clip.read_bytes(), headers=target["headers"])
        send(URL + "finish", json={"token": token})
    done.set()


while True:
    claim = {"worker": WORKER, "lease_seconds": LEASE_SECONDS, "wait_seconds": 20}
    for each in send(URL + "claim", json=claim).raise_for_status().json()["data"]["leases"]:
        with tempfile.TemporaryDirectory() as folder:
            render(each, Path(folder) / "clip")
