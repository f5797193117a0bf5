"""A fake of ComfyUI: its queue, its history and its executor, as in execution.py and comfy_execution/progress.py."""

import asyncio
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Protocol

from PIL import Image

from tests.support.replicate_files import clip, content

Json = dict[str, Any]

FRAMES_PER_SECOND = 24
# A clip that is longer is never finished.
LONGEST_SECONDS = 30.0
STEPS = 20


class Socket(Protocol):
    """A websocket of a client."""

    async def send_json(self, data: Any) -> None: ...
    async def send_bytes(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


@dataclass
class Behaviour:
    """What prompts come to. `saved` are the files that the node that saves reports, by the key of its output.

    `holds`: prompts do not end until they are released. `minds_ids`: ids of clients are used, as since 0.3.45.
    `waits_for_client`: a prompt starts when its client listens.
    """

    error: str | None = None
    saved: dict[str, list[str]] = field(default_factory=lambda: {"images": ["clip_00001_.mp4"]})
    holds: bool = False
    minds_ids: bool = True
    waits_for_client: bool = True
    previews: bool = True
    states: bool = True
    refusal: Json | None = None
    most_upload_bytes: int = 100_000_000


@dataclass(frozen=True)
class Fault:
    """What happens to the next requests of a kind: `status` is returned, or the connection is cut.

    `late`: the request takes effect all the same. There is no response until `gate` is set, if there is one.
    """

    status: int | None = None
    late: bool = False
    body: bytes = b""
    gate: asyncio.Event | None = None


@dataclass
class Item:
    """A prompt, as the queue holds it."""

    number: int
    id: str
    workflow: dict[str, Json]
    extra: Json
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def as_json(self) -> list[Any]:
        return [self.number, self.id, self.workflow, self.extra, [name for name in self.workflow if self.saves(name)]]

    def saves(self, node: str) -> bool:
        return self.workflow[node]["class_type"].startswith(("Save", "VHS_VideoCombine"))

    @property
    def seconds(self) -> float:
        lengths = [node["inputs"].get("length") for node in self.workflow.values()]
        return next((length / FRAMES_PER_SECOND for length in lengths if isinstance(length, int)), 1.0)


class FakeComfyUI:
    """The state. A test changes `behaviour` and `faults`, and reads what was asked for."""

    def __init__(self) -> None:
        self.origin = ""
        self.behaviour = Behaviour()
        self.faults: dict[str, list[Fault]] = {}
        self.counts: Counter[str] = Counter()
        self.submitted: list[Item] = []
        self.inputs: dict[str, bytes] = {}
        self.outputs: dict[str, bytes] = {}
        self.headers: list[dict[str, str]] = []
        self.viewed: list[str] = []
        self.pending: list[Item] = []
        self.running: Item | None = None
        self.history: dict[str, Json] = {}
        self.sockets: dict[str, Socket] = {}
        self.released = asyncio.Event()
        self._changed = asyncio.Condition()
        self._executor = asyncio.create_task(self._execute())

    async def stop(self) -> None:
        """End the executor."""
        self._executor.cancel()
        await asyncio.wait([self._executor])

    async def restart(self) -> None:
        """Forget everything but the files, and close the sockets, as when the process ends."""
        await self.stop()
        self.pending, self.running, self.history = [], None, {}
        for socket in list(self.sockets.values()):
            await socket.close()
        self.sockets.clear()
        self._executor = asyncio.create_task(self._execute())

    async def until(self, condition: Any) -> None:
        """Wait until a condition holds, which is asked after each change."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def announce(self) -> None:
        """Say that something has changed."""
        async with self._changed:
            self._changed.notify_all()

    async def put(self, item: Item) -> None:
        """Queue a prompt. A second one of the same id is queued as well."""
        self.submitted.append(item)
        self.pending.append(item)
        await self.announce()

    def delete(self, name: str) -> None:
        """Take a prompt out of the queue, if it waits."""
        self.pending = [item for item in self.pending if item.id != name]

    def interrupt(self, name: str | None) -> None:
        """Interrupt the prompt that runs, if it is this one; None for any."""
        if self.running is not None and name in (None, self.running.id):
            self.running.interrupted.set()

    async def _execute(self) -> None:
        while True:
            await self.until(lambda: bool(self.pending))
            await self._perform(self.pending.pop(0))

    async def _perform(self, item: Item) -> None:
        self.running = item
        if self.behaviour.waits_for_client:
            await self.until(lambda: item.extra.get("client_id") in self.sockets or item.interrupted.is_set())
        await self.announce()
        outputs, messages = await self._run(item)
        completed = messages[-1][0] == "execution_success"
        status = {"status_str": "success" if completed else "error", "completed": completed, "messages": messages}
        self.history[item.id] = {"prompt": item.as_json, "outputs": outputs, "status": status, "meta": {}}
        self.running = None
        await self.send(item, "executing", {"node": None, "prompt_id": item.id})
        await self.announce()

    async def _run(self, item: Item) -> tuple[Json, list[Any]]:
        messages: list[Any] = []

        async def say(kind: str, **data: Any) -> None:
            stamped = {"prompt_id": item.id, "timestamp": int(time.time() * 1000), **data}
            messages.append([kind, stamped])
            await self.send(item, kind, stamped)

        await say("execution_start")
        await say("execution_cached", nodes=[])
        outputs: Json = {}
        states: dict[str, Json] = {}
        for node in item.workflow:
            await self.send(item, "executing", {"node": node, "display_node": node, "prompt_id": item.id})
            await self._state(item, states, node, 0, 1, "running")
            if item.workflow[node]["class_type"] == "KSampler":
                await self._sample(item, states, node)
                if item.interrupted.is_set():
                    await say("execution_interrupted", node_id=node, node_type="KSampler", executed=list(states))
                    return outputs, messages
                if self.behaviour.error is not None:
                    error = {"exception_message": self.behaviour.error, "exception_type": "RuntimeError"}
                    await say("execution_error", node_id=node, node_type="KSampler", **error)
                    return outputs, messages
            if item.saves(node):
                outputs[node] = self._save(item)
            await self._state(item, states, node, 1, 1, "finished")
        await say("execution_success")
        return outputs, messages

    async def _sample(self, item: Item, states: dict[str, Json], node: str) -> None:
        for step in range(1, STEPS + 1):
            await self._state(item, states, node, step, STEPS, "running")
            progress = {"value": step, "max": STEPS, "prompt_id": item.id, "node": node}
            await self.send(item, "progress", progress)
            if self.behaviour.previews:
                await self.send(item, "preview", {}, preview(step))
            if step == STEPS // 2 and (self.behaviour.holds or item.seconds > LONGEST_SECONDS):
                await self._held(item)
            if item.interrupted.is_set():
                return

    async def _held(self, item: Item) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self.released, item.interrupted)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _state(self, item: Item, states: dict[str, Json], node: str, value: int, most: int, state: str) -> None:
        states[node] = {"value": value, "max": most, "state": state, "node_id": node, "prompt_id": item.id}
        if self.behaviour.states:
            await self.send(item, "progress_state", {"prompt_id": item.id, "nodes": states})

    def _save(self, item: Item) -> Json:
        """Save the files `name.suffix`, and `temp|name.suffix` in the folder of previews."""
        saved: Json = {}
        for key, names in self.behaviour.saved.items():
            for name in names:
                folder, _, file = name.rpartition("|")
                folder = folder or "output"
                suffix = file.rpartition(".")[2]
                made = clip(item.seconds) if suffix == "mp4" else content(suffix, item.seconds)
                self.outputs.setdefault(f"{folder}/video/{item.number}_{file}", made)
                saved.setdefault(key, []).append(
                    {"filename": f"{item.number}_{file}", "subfolder": "video", "type": folder}
                )
        return saved | {"animated": [True]}

    async def send(self, item: Item, kind: str, data: Json, picture: bytes | None = None) -> None:
        """Send a message to the client of a prompt, if it listens; a binary one if there is a picture."""
        socket = self.sockets.get(str(item.extra.get("client_id")))
        if socket is None:
            return
        try:
            if picture is not None:
                await socket.send_bytes(picture)
            else:
                await socket.send_json({"type": kind, "data": data})
        except Exception:
            # It is closed already, and removed by the one who reads it.
            return


def preview(step: int) -> bytes:
    """Return the binary message of a preview: its kind, that of the image, and a JPEG."""
    picture = BytesIO()
    Image.new("RGB", (512, 288), (step * 10, 80, 120)).save(picture, "JPEG")
    return struct.pack(">II", 1, 1) + picture.getvalue()
