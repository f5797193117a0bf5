"""A leased worker in the event loop of a test: it has takes rendered by the scripted provider."""

import asyncio
import base64
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from providers.catalogue import InputRole, Settings
from providers.port import Failure, Order, Progress
from providers.scripted import ScriptedProvider
from tests.support.asset_files import at
from tests.support.client import Client, Json

MODEL = "wan"
LEASE_SECONDS = 3_600


class Pace:
    """Lets a worker go on when those that follow its take have seen its last step: no step is missed."""

    def __init__(self) -> None:
        self._begun: defaultdict[str, int] = defaultdict(int)
        self._ended: defaultdict[str, int] = defaultdict(int)
        self._looked = asyncio.Event()
        self._changed = asyncio.Event()

    def begin(self, scene_id: str) -> int:
        """Begin a look at a scene; return its number."""
        self._begun[scene_id] += 1
        return self._begun[scene_id]

    def end(self, scene_id: str, look: int) -> None:
        """End a look: what it has found was passed on."""
        self._ended[scene_id] = max(self._ended[scene_id], look)
        self._looked.set()
        self._looked = asyncio.Event()

    async def called_again(self, seconds: float) -> None:
        """Wait until a worker has called, at most this long: the server does not notify of its own changes."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def seen(self, scene_id: str) -> None:
        """Notify of a change of a scene, and wait for the end of a look that begins from now on."""
        look = self._begun[scene_id] + 1
        self._changed.set()
        self._changed = asyncio.Event()
        while self._ended[scene_id] < look:
            await self._looked.wait()


class Lost(Exception):
    """The lease is over."""


class LeasedFile:
    """A file of a lease, as the provider of the worker gets it."""

    def __init__(self, client: Client, folder: Path, place: int, described: Json) -> None:
        self.role = InputRole(described["role"])
        self.name: str | None = described["name"]
        self.content_type: str = described["content_type"]
        self.size_bytes: int = described["size_bytes"]
        self._client = client
        self._path = folder / f"input-{place}"
        self._url: str = described["url"]

    async def path(self) -> Path:
        """Fetch the file by its address."""
        answer = await self._client.http.get(at(self._client, self._url))
        assert answer.status_code == 200, answer.text
        self._path.write_bytes(answer.content)
        return self._path

    async def url(self) -> str | None:
        """Return the address."""
        return self._url


async def worker(client: Client, pace: Pace) -> None:
    """Lease takes and render them, several at once, until this task is canceled."""
    described: Json = {"name": "worker", "models": [MODEL]}
    body: Json = {"worker": described, "most": 4, "lease_seconds": LEASE_SECONDS, "wait_seconds": 20}
    async with asyncio.TaskGroup() as renders:
        while True:
            for lease in (await _call(client, "claim", **body))["leases"]:
                renders.create_task(_process(client, pace, lease))


async def _process(client: Client, pace: Pace, lease: Json) -> None:
    """Render the take of a lease, and report how it ended."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with suppress(Lost):
            try:
                await _render(client, pace, lease, folder)
            except Failure as failure:
                failed: Json = {"code": failure.code, "message": failure.message, "retryable": failure.retryable}
                await _call(client, "fail", token=lease["token"], **failed)


async def _render(client: Client, pace: Pace, lease: Json, folder: Path) -> None:
    provider, token = ScriptedProvider(), lease["token"]
    settings: Json = lease["settings"]
    order = Order(
        key=lease["take_id"],
        number=lease["take_number"],
        prompt=lease["prompt"],
        title=None,
        duration_seconds=lease["duration_seconds"],
        metadata=lease["metadata"],
        workdir=folder,
        settings=Settings(model=settings["model"], seed=settings["seed"]),
        inputs=tuple(LeasedFile(client, folder, place, each) for place, each in enumerate(lease["files"])),
    )
    provider_id = await provider.submit(order)
    await _call(client, "renew", token=token, provider_id=provider_id)
    async for step in provider.follow(order, provider_id):
        if isinstance(step, Progress):
            frame = None if step.frame is None else base64.b64encode(step.frame).decode()
            percentage = None if step.fraction is None else 100 * step.fraction
            await _call(client, "renew", token=token, percentage=percentage, frame=frame)
            await pace.seen(lease["scene_id"])
        else:
            target = lease["clip"]
            address, content = at(client, target["url"]), step.clip.path.read_bytes()
            answer = await client.http.request(target["method"], address, content=content, headers=target["headers"])
            assert answer.is_success, answer.text
            await _call(client, "finish", token=token, metrics=dict(step.made.metrics))


async def _call(client: Client, name: str, **body: object) -> Json:
    """Return the data of a call of the REST API. Raises Lost when the lease is over."""
    answer = await client.http.post(f"/api/v3/leases/{name}", json=body)
    if answer.status_code == 409:
        raise Lost
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]
