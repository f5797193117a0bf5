"""The bus of many processes: one NOTIFY per process and moment, holding many hints.

Never inside the transaction of a change: NOTIFY there takes a lock that serialises all commits. A process that dies
between commit and NOTIFY, or a listener's connection that breaks, loses hints; so listeners compare versions from time
to time.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from itertools import starmap

from coordinator.bus.listener import LOST
from coordinator.bus.listener import Listener as Connection
from coordinator.bus.port import Hint, Listener, LocalBus, Message, Resync
from models.writes.change import Tick

log = logging.getLogger(__name__)

CHANNEL = "scenewire"
GATHER_SECONDS = 0.02
# A scene's fractions cross processes this often at most.
TICK_SECONDS = 0.5
# What cannot be sent is tried again this soon.
AGAIN_SECONDS = 0.5
# Postgres takes 7,999; a hint has about 45, a tick about 75.
PAYLOAD_BYTES = 7_900


class PostgresBus:
    """Tells this process directly and the others by NOTIFY."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._here = LocalBus()
        self._name = uuid.uuid4().hex[:8]
        self._hints: dict[str, int] = {}
        self._ticks: dict[str, str] = {}
        self._ticked_at: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Hear the others, and be heard."""
        await self._connection.listen(CHANNEL, self._heard)
        self._connection.when_up(self._up)
        self._task = asyncio.create_task(self._flush(), name="bus")

    async def stop(self) -> None:
        """Say what is left to say, and be silent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            await self._send()

    def publish(self, message: Message) -> None:
        """Tell everybody here at once and the others soon."""
        self._here.publish(message)
        match message:
            case Hint(job_id, version):
                self._hints[job_id] = max(version, self._hints.get(job_id, 0))
            case Tick(job_id, scene_id):
                self._ticks[scene_id] = job_id
            case Resync():
                return
        self._woken.set()

    def _up(self) -> None:
        self._here.publish(Resync())
        self._woken.set()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; the answer stops that."""
        return self._here.listen(listener)

    async def _flush(self) -> None:
        while True:
            await self._woken.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._woken.clear()
            await self._send()
            if self._ticks or self._hints:
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._woken.set)

    async def _send(self) -> None:
        """Send what is due. Hints that do not get through are kept; ticks are overtaken by the next."""
        hints, self._hints = self._hints, {}
        messages = [*starmap(Hint, hints.items()), *self._due_ticks()]
        try:
            for payload in pack(self._name, messages):
                await self._connection.notify(CHANNEL, payload)
        except BaseException as error:
            self._keep(hints)
            if not isinstance(error, LOST):
                raise
            log.debug("hints not sent: %s", error, extra={"action": "bus.kept"})

    def _keep(self, hints: dict[str, int]) -> None:
        for job_id, version in hints.items():
            self._hints[job_id] = max(version, self._hints.get(job_id, 0))

    def _due_ticks(self) -> list[Tick]:
        now = time.monotonic()
        due = [scene for scene in self._ticks if now - self._ticked_at.get(scene, 0.0) >= TICK_SECONDS]
        self._ticked_at = {scene: at for scene, at in self._ticked_at.items() if now - at < TICK_SECONDS}
        self._ticked_at |= dict.fromkeys(due, now)
        return [Tick(self._ticks.pop(scene), scene) for scene in due]

    def _heard(self, payload: str) -> None:
        sender, messages = unpack(payload)
        if sender != self._name:
            for message in messages:
                self._here.publish(message)


def pack(sender: str, messages: Iterable[Hint | Tick]) -> list[str]:
    """As few payloads as will hold the messages, each with its sender and short enough for a NOTIFY."""
    payloads: list[str] = []
    parts = head = json.dumps(sender)
    for message in messages:
        part = json.dumps(message, separators=(",", ":"))
        if len(parts) + len(part) + len("[,]") > PAYLOAD_BYTES:
            payloads.append(f"[{parts}]")
            parts = head
        parts = f"{parts},{part}"
    return payloads if parts == head else [*payloads, f"[{parts}]"]


def unpack(payload: str) -> tuple[str, list[Hint | Tick]]:
    """Sender and messages of a payload: a hint ends with a version, a tick with a scene."""
    sender, *parts = json.loads(payload)
    return sender, [Hint(job, what) if isinstance(what, int) else Tick(job, what) for job, what in parts]
