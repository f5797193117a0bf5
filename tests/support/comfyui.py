"""The server of the fake of ComfyUI, in the event loop of the test, and providers that use it.

Written from server.py of ComfyUI and https://docs.comfy.org/development/comfyui-server/comms_routes.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from providers.catalogue import InputRole
from providers.comfyui.api import Api
from providers.comfyui.provider import ComfyUIProvider
from providers.comfyui.workflows.templates import Templates, load, parse
from providers.hosted.retrying import Pace
from tests.support.comfyui_state import FakeComfyUI, Item, Json
from tests.support.server_process import ROOT
from tests.support.uvicorn_server import stop

QUICK = Pace(0.05, first_backoff=0.02, last_backoff=0.1, give_up_after=300.0, refusals=300.0, settling=(0.01, 0.02))
# Short time limits.
BRIEF = replace(QUICK, give_up_after=0.3, refusals=0.3)
EXAMPLES = ROOT / "docs" / "examples" / "comfyui"
KNOWN_NODES = {
    *("UNETLoader", "CLIPLoader", "VAELoader", "CLIPTextEncode", "LoadImage", "Wan22ImageToVideoLatent"),
    *("ModelSamplingSD3", "KSampler", "VAEDecode", "CreateVideo", "SaveVideo", "VHS_VideoCombine", "LoadAudio"),
}


class Cut(Response):
    """A response whose connection ends before its content."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class Routes:
    """The routes of a fake. Each request of a kind may have a fault."""

    def __init__(self, fake: FakeComfyUI) -> None:
        self.fake = fake

    def kind(self, name: str, work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
        """Count the requests of a kind, and let its next fault happen."""

        async def handle(request: Request) -> Response:
            fake = self.fake
            fake.counts[name] += 1
            fake.headers.append(dict(request.headers))
            faults = fake.faults.get(name, [])
            fault = faults.pop(0) if faults else None
            response = await work(request) if fault is None or fault.late else None
            await request.body()
            await fake.announce()
            if fault is not None and fault.gate is not None:
                await fault.gate.wait()
            if fault is not None:
                return Cut() if fault.status is None else Response(fault.body, fault.status)
            assert response is not None
            return response

        return handle

    async def post_prompt(self, request: Request) -> Response:
        body: Json = await request.json()
        fake = self.fake
        wanted = body.get("prompt_id")
        if wanted is not None and str(UUID(wanted)) != wanted:
            return JSONResponse({"error": {"type": "invalid_prompt_id"}, "node_errors": {}}, 400)
        if fake.behaviour.refusal is not None:
            return JSONResponse(fake.behaviour.refusal, 400)
        for name, node in body["prompt"].items():
            if problem := self.problem(body["prompt"], node):
                error = {"type": "invalid_prompt", "message": problem, "details": f"Node ID '#{name}'"}
                return JSONResponse({"error": error, "node_errors": {}}, 400)
        extra = body.get("extra_data", {}) | {"client_id": body.get("client_id")}
        name = wanted if wanted is not None and fake.behaviour.minds_ids else str(uuid4())
        number = len(fake.submitted)
        await fake.put(Item(number, name, body["prompt"], extra))
        return JSONResponse({"prompt_id": name, "number": number, "node_errors": {}})

    def problem(self, workflow: Json, node: Json) -> str | None:
        """Return what is wrong with a node."""
        if node["class_type"] not in KNOWN_NODES:
            return f"Cannot execute because node {node['class_type']} does not exist."
        if any(isinstance(value, list) and value[0] not in workflow for value in node["inputs"].values()):
            return "Bad linked input"
        image = node["inputs"].get("image")
        return "Invalid image file" if isinstance(image, str) and image not in self.fake.inputs else None

    async def get_queue(self, request: Request) -> Response:
        running = [self.fake.running.as_json] if self.fake.running is not None else []
        return JSONResponse({"queue_running": running, "queue_pending": [item.as_json for item in self.fake.pending]})

    async def post_queue(self, request: Request) -> Response:
        for name in (await request.json()).get("delete", []):
            self.fake.delete(name)
        return Response()

    async def get_history(self, request: Request) -> Response:
        return JSONResponse(self.fake.history)

    async def get_one(self, request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse({name: self.fake.history[name]} if name in self.fake.history else {})

    async def interrupt(self, request: Request) -> Response:
        self.fake.interrupt((await request.json()).get("prompt_id"))
        return Response()

    async def upload(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > self.fake.behaviour.most_upload_bytes:
            return Response("Maximum request body size exceeded", 413)
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = {part.get_param("name", header="content-disposition"): part for part in _parts(head + body)}
        image, subfolder = parts["image"], str(parts["subfolder"].get_payload())
        stored = f"{subfolder}/{image.get_filename()}"
        content = image.get_payload(decode=True)
        if self.fake.inputs.setdefault(stored, content) != content:
            stem, _, suffix = stored.rpartition(".")
            stored = f"{stem} (1).{suffix}"
            self.fake.inputs[stored] = content
        return JSONResponse({"name": stored.partition("/")[2], "subfolder": subfolder, "type": "input"})

    async def stats(self, request: Request) -> Response:
        devices = [{"name": "cuda:0 Fake GPU", "type": "cuda", "index": 0, "vram_total": 1, "vram_free": 1}]
        return JSONResponse({"system": {"os": "linux", "comfyui_version": "0.3.99"}, "devices": devices})

    async def view(self, request: Request) -> Response:
        query = request.query_params
        self.fake.viewed.append(f"{query['type']}/{query['subfolder']}/{query['filename']}")
        content = self.fake.outputs.get(self.fake.viewed[-1])
        return Response(status_code=404) if content is None else Response(content, media_type="video/mp4")

    async def messages(self, socket: WebSocket) -> None:
        """Serve a websocket: a newer one of the same client replaces it, and when it ends, that one is forgotten."""
        fake, client = self.fake, socket.query_params["clientId"]
        fake.counts["ws"] += 1
        fake.headers.append(dict(socket.headers))
        if fake.faults.get("ws"):
            fake.faults["ws"].pop(0)
            await socket.close()
            return
        await socket.accept()
        await socket.send_json({"type": "status", "data": {"status": {}, "sid": client}})
        fake.sockets[client] = socket
        await fake.announce()
        try:
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            fake.sockets.pop(client, None)


def _parts(message: bytes) -> list[Any]:
    parsed: Any = BytesParser().parsebytes(message)
    return parsed.get_payload()


@asynccontextmanager
async def comfyui() -> AsyncGenerator[FakeComfyUI]:
    """Run a fake on a free port."""
    fake = FakeComfyUI()
    routes = Routes(fake)
    paths = [
        ("/prompt", "POST", "prompt", routes.post_prompt),
        ("/queue", "GET", "queue", routes.get_queue),
        ("/queue", "POST", "delete", routes.post_queue),
        ("/history", "GET", "history", routes.get_history),
        ("/history/{name}", "GET", "history", routes.get_one),
        ("/interrupt", "POST", "interrupt", routes.interrupt),
        ("/upload/image", "POST", "upload", routes.upload),
        ("/view", "GET", "view", routes.view),
        ("/system_stats", "GET", "stats", routes.stats),
    ]
    app = Starlette(
        routes=[
            *(Route(path, routes.kind(kind, work), methods=[method]) for path, method, kind, work in paths),
            WebSocketRoute("/ws", routes.messages),
        ]
    )
    config = uvicorn.Config(app, port=0, log_config=None, ws="websockets-sansio", lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    fake.origin = f"http://{host}:{port}"
    try:
        yield fake
    finally:
        await fake.stop()
        await stop(server)


def settings(fake: FakeComfyUI) -> Json:
    """Return what a server needs in order to render here."""
    return {
        "provider": "comfyui",
        "comfyui_url": fake.origin,
        "comfyui_workflows": str(EXAMPLES),
        "comfyui_poll_seconds": 0.05,
    }


def templates() -> Templates:
    """Return the example's templates."""
    return load(EXAMPLES)


def changed(**header: Any) -> Templates:
    """Return the example with another header."""
    file = next(iter(sorted(EXAMPLES.glob("*.json"))))
    document = json.loads(file.read_text())
    return Templates([parse(file.stem, document | {"scenewire": document["scenewire"] | header})])


def provider(
    fake: FakeComfyUI,
    pace: Pace = QUICK,
    *,
    using: Templates | None = None,
    most_bytes: int = 1_000_000,
    headers: dict[str, str] | None = None,
) -> ComfyUIProvider:
    """Make a provider that uses a fake, with short pauses."""
    return ComfyUIProvider(Api(fake.origin, headers or {}), using or templates(), pace, most_bytes=most_bytes)


@dataclass(frozen=True)
class GivenFile:
    """An input of an order, whose file exists already."""

    role: InputRole
    file: Path
    content_type: str = "image/png"
    name: str | None = None

    @property
    def size_bytes(self) -> int:
        return self.file.stat().st_size

    async def path(self) -> Path:
        return self.file

    async def url(self) -> str | None:
        return None
