"""The bus of many processes: one NOTIFY per process and moment, holding many hints.

Never inside the transaction of a change: NOTIFY there takes a lock that serialises all commits. A process that dies
between commit and NOTIFY, or a connection that breaks, loses hints; so listeners compare versions from time to time.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from coordinator.bus import Hint, Listener, LocalBus, Message, Resync
from coordinator.listener import LOST
from coordinator.listener import Listener as Connection
from models.change import Tick

log = logging.getLogger(__name__)

CHANNEL = "scenewire"
GATHER_SECONDS = 0.02
# A scene's fractions cross processes this often at most.
TICK_SECONDS = 0.5
# Postgres takes 7,999 bytes of payload; a hint has about 45, a tick about 80.
MESSAGES_A_NOTIFY = 80


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
        self._connection.when_up(lambda: self._here.publish(Resync()))
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

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; the answer stops that."""
        return self._here.listen(listener)

    async def _flush(self) -> None:
        while True:
            await self._woken.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._woken.clear()
            await self._send()
            if self._ticks:
                asyncio.get_running_loop().call_later(TICK_SECONDS, self._woken.set)

    async def _send(self) -> None:
        hints, self._hints = list(self._hints.items()), {}
        ticks = self._due_ticks()
        for first in range(0, max(len(hints), len(ticks)), MESSAGES_A_NOTIFY):
            span = slice(first, first + MESSAGES_A_NOTIFY)
            payload = json.dumps([self._name, hints[span], ticks[span]], separators=(",", ":"))
            try:
                await self._connection.notify(CHANNEL, payload)
            except LOST as error:
                log.info("hints lost: %s", error, extra={"action": "bus.lost"})
                return

    def _due_ticks(self) -> list[tuple[str, str]]:
        now = time.monotonic()
        due = [scene for scene in self._ticks if now - self._ticked_at.get(scene, 0.0) >= TICK_SECONDS]
        self._ticked_at = {scene: at for scene, at in self._ticked_at.items() if now - at < TICK_SECONDS}
        self._ticked_at |= dict.fromkeys(due, now)
        return [(self._ticks.pop(scene), scene) for scene in due]

    def _heard(self, payload: str) -> None:
        sender, hints, ticks = self._parse(payload)
        if sender == self._name:
            return
        for job_id, version in hints:
            self._here.publish(Hint(job_id, version))
        for job_id, scene_id in ticks:
            self._here.publish(Tick(job_id, scene_id))

    def _parse(self, payload: str) -> tuple[str, list[tuple[str, int]], list[tuple[str, str]]]:
        parts: list[Any] = json.loads(payload)
        return str(parts[0]), [(str(j), int(v)) for j, v in parts[1]], [(str(j), str(s)) for j, s in parts[2]]
