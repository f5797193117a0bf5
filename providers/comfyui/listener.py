"""The messages of a prompt on the websocket. They report only its progress; its result is in the history."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from providers.cancellation import raise_if_cancelled
from providers.comfyui.previews import encoded, picture_in
from providers.comfyui.progress import NodeProgress
from providers.comfyui.values import is_object
from providers.hosted.retrying import Pace

log = logging.getLogger(__name__)

# ComfyUI forgets the socket of a client when an older one of the same client closes, and says nothing on it any more.
SILENCE_SECONDS = 60.0
MOST_WAITING = 100
# After these the prompt is, or soon will be, in the history.
_LAST = frozenset({"execution_success", "execution_error", "execution_interrupted"})


class Listener:
    """Receives the messages about one prompt, and calls `wake` for each. `fractions` are the new ones, oldest first.

    `look_again`: the prompt may be finished, or lost by a restart.
    """

    def __init__(
        self,
        messages: Callable[[], connect],
        prompt_id: str,
        progress: NodeProgress,
        pace: Pace,
        wake: Callable[[], None],
    ) -> None:
        self._messages = messages
        self._prompt_id = prompt_id
        self._progress = progress
        self._pace = pace
        self._wake = wake
        self._picture: bytes | None = None
        self.fractions: deque[float] = deque(maxlen=MOST_WAITING)
        self.look_again = False

    @property
    def fraction(self) -> float | None:
        """The done part of the prompt, in 0..1; None when it is not known."""
        return self._progress.fraction

    async def frame(self) -> bytes | None:
        """Return the newest preview as WebP, unless it was returned before."""
        picture, self._picture = self._picture, None
        return await asyncio.to_thread(encoded, picture) if picture is not None else None

    async def run(self) -> None:
        """Listen until canceled; connect again whenever the connection ends."""
        backoffs = self._pace.backoffs()
        while True:
            try:
                async with self._messages() as socket:
                    backoffs = self._pace.backoffs()
                    self._look()
                    while True:
                        async with asyncio.timeout(SILENCE_SECONDS):
                            message = await socket.recv()
                        self._receive(message)
            except (OSError, WebSocketException, TimeoutError) as error:
                raise_if_cancelled(error)
                log.info("the websocket has ended: %r", error, extra={"action": "comfyui.socket"})
            await asyncio.sleep(next(backoffs))

    def _receive(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            picture = picture_in(message)
            if picture is not None:
                self._picture = picture
                self._wake()
            return
        try:
            document: object = json.loads(message)
        except (ValueError, RecursionError):
            return
        data = document.get("data") if is_object(document) else None
        if is_object(document) and is_object(data) and data.get("prompt_id", self._prompt_id) == self._prompt_id:
            self._take_up(str(document.get("type")), data)

    def _take_up(self, kind: str, data: dict[str, object]) -> None:
        if self._progress.update(kind, data) and self._progress.fraction is not None:
            self.fractions.append(self._progress.fraction)
            self._wake()
        # No node is executing any more: the prompt is in the history.
        if kind in _LAST or (kind == "executing" and data.get("node", "") is None):
            self._look()

    def _look(self) -> None:
        self.look_again = True
        self._wake()
