"""The bus of many processes: one NOTIFY per process and batch interval, holding many hints.

NOTIFY is never sent inside the transaction of a change: there it takes a lock that serialises all commits. Hints are
lost when a process dies between commit and NOTIFY, or when a listener's connection breaks; so the hub compares versions
periodically.
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
from coordinator.bus.port import DeliveriesDue, Hint, LeasedWork, Listener, LocalBus, Message, Resync, TokenRevoked
from coordinator.retrying import RETRY_SECONDS, run_when_woken
from coordinator.tasks import Tasks
from models.writes.change import Tick

log = logging.getLogger(__name__)

Signal = DeliveriesDue | LeasedWork
Sent = Hint | Tick | TokenRevoked | Signal
# By type, as they are empty and so equal.
Signals = dict[type[Signal], Signal]

CHANNEL = "scenewire"
BATCH_SECONDS = 0.02
# Minimum interval between two ticks of the same scene to other processes.
TICK_SECONDS = 0.5
# Postgres accepts 7,999; a hint has about 45, a tick about 75.
PAYLOAD_BYTES = 7_900
# Processes of older versions take both for a hint, which makes them look for due deliveries as well.
_SIGNALS: dict[tuple[str, int | str], Signal] = {
    ("", 0): DeliveriesDue(),
    ("", 1): LeasedWork(),
}
# What ids of access tokens begin with. Processes of older versions take one for a job without watchers.
_TOKEN = "token_"  # noqa: S105 # the prefix of an id
_ENCODED: dict[type[object], tuple[str, int | str]] = {type(signal): each for each, signal in _SIGNALS.items()}


class PostgresBus:
    """Calls the listeners of this process directly, and notifies other processes by NOTIFY."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._local = LocalBus()
        self._name = uuid.uuid4().hex[:8]
        self._hints: dict[str, int] = {}
        self._signals: Signals = {}
        self._revoked = set[str]()
        self._ticks: dict[str, str] = {}
        self._ticked_at: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._flushing = Tasks("bus")

    async def start(self) -> None:
        """Exchange messages with other processes from now on."""
        await self._connection.listen(CHANNEL, self._on_payload)
        self._connection.when_up(self._on_connected)
        flush = run_when_woken(self._woken, self._flush, name="bus", action="bus")
        self._flushing.start(flush)

    async def stop(self) -> None:
        """Send pending messages, then stop."""
        if self._flushing:
            await self._flushing.stop()
            await self._send()

    def publish(self, message: Message) -> None:
        """Call the listeners of this process now, and notify other processes soon."""
        self._local.publish(message)
        match message:
            case Hint(job_id, version):
                self._hints[job_id] = max(version, self._hints.get(job_id, 0))
            case Tick(job_id, scene_id):
                self._ticks[scene_id] = job_id
            case DeliveriesDue() | LeasedWork():
                self._signals[type(message)] = message
            case TokenRevoked(token_id):
                self._revoked.add(token_id)
            case Resync():
                return
        self._woken.set()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; returns a function that stops it."""
        return self._local.listen(listener)

    def _on_connected(self) -> None:
        self._local.publish(Resync())
        self._woken.set()

    def _on_payload(self, payload: str) -> None:
        sender, messages = decode(payload)
        if sender != self._name:
            for message in messages:
                self._local.publish(message)

    async def _flush(self) -> None:
        await asyncio.sleep(BATCH_SECONDS)
        self._woken.clear()
        await self._send()
        if self._ticks or self._hints or self._signals or self._revoked:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._woken.set)

    async def _send(self) -> None:
        """Send pending messages. Hints that cannot be sent are kept; a lost tick is superseded by the next."""
        hints, self._hints = self._hints, {}
        signals, self._signals = self._signals, {}
        revoked, self._revoked = self._revoked, set[str]()
        messages = [*map(TokenRevoked, revoked), *starmap(Hint, hints.items()), *signals.values(), *self._due_ticks()]
        try:
            for payload in encode(self._name, messages):
                await self._connection.notify(CHANNEL, payload)
        except LOST as error:
            self._keep(hints, signals, revoked)
            log.debug("hints not sent: %s", error, extra={"action": "bus.kept"})
        except BaseException:
            self._keep(hints, signals, revoked)
            raise

    def _keep(self, hints: dict[str, int], signals: Signals, revoked: set[str]) -> None:
        self._signals |= signals
        self._revoked |= revoked
        for job_id, version in hints.items():
            self._hints[job_id] = max(version, self._hints.get(job_id, 0))

    def _due_ticks(self) -> list[Tick]:
        now = time.monotonic()
        due = [scene for scene in self._ticks if now - self._ticked_at.get(scene, 0.0) >= TICK_SECONDS]
        self._ticked_at = {scene: at for scene, at in self._ticked_at.items() if now - at < TICK_SECONDS}
        self._ticked_at |= dict.fromkeys(due, now)
        return [Tick(self._ticks.pop(scene), scene) for scene in due]


def encode(sender: str, messages: Iterable[Sent]) -> list[str]:
    """Return the messages as the fewest payloads that fit into a NOTIFY, each with the sender."""
    payloads: list[str] = []
    parts = head = json.dumps(sender)
    for message in messages:
        fields = (message.token_id, 0) if isinstance(message, TokenRevoked) else _ENCODED.get(type(message), message)
        part = json.dumps(fields, separators=(",", ":"))
        if len(parts) + len(part) + len("[,]") > PAYLOAD_BYTES:
            payloads.append(f"[{parts}]")
            parts = head
        parts = f"{parts},{part}"
    return payloads if parts == head else [*payloads, f"[{parts}]"]


def decode(payload: str) -> tuple[str, list[Sent]]:
    """Return the sender and messages of a payload: a hint ends with a version, a tick with a scene id, and the
    revocation of a token begins with its id."""
    sender, *parts = json.loads(payload)
    return sender, [_message(job, last) for job, last in parts]


def _message(job: str, last: int | str) -> Sent:
    signal = _SIGNALS.get((job, last))
    if signal is not None:
        return signal
    if last == 0 and job.startswith(_TOKEN):
        return TokenRevoked(job)
    return Hint(job, last) if isinstance(last, int) else Tick(job, last)
