"""The operations of one websocket, and their part in shared streams."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from server.transports.connections.stream_control import stream_control
from server.transports.documents.document_limiter import Admitted
from server.transports.documents.params import Params
from server.transports.execution import Executor
from server.transports.shared.member import Member, State
from server.transports.shared.message import SharedMessage, message_prefix

FRAMES_A_WRITE: Final = 16


@dataclass(eq=False, slots=True)
class Operation:
    """The operation of one `subscribe` message."""

    id: str
    task: asyncio.Task[None] | None = None
    cancellable: bool = True
    member: Member | None = None
    """Its place among the subscribers of a shared stream, which needs no task while it is live."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing follows when its task has ended."""
        return self.member is None or self.member.state is State.LEFT

    def stop(self) -> None:
        """Cancel the operation. A mutation runs to completion without a response, as over HTTP: the effect of a
        cancelled one would be unknown."""
        if self.member is not None:
            self.member.leave()
        if self.task is not None and self.cancellable:
            self.task.cancel()


class SocketOutlet:
    """Writes the messages of one shared stream to the socket, below ASGI."""

    __slots__ = ("_operation", "_pump", "_socket", "_write", "prefix")
    is_direct = True

    def __init__(
        self, socket: WebSocket, operation: Operation, write: Callable[[bytes], bool], pump: Callable[[Operation], None]
    ) -> None:
        self._socket = socket
        self._operation = operation
        self._write = write
        self._pump = pump
        self.prefix = message_prefix(operation.id)

    @property
    def connection(self) -> HTTPConnection:
        return self._socket

    @property
    def write_frames(self) -> Callable[[bytes], bool]:
        return self._write

    def write(self, payload: SharedMessage) -> bool:
        return self.write_frames(payload.frame(self.prefix))

    def write_all(self, payloads: Sequence[SharedMessage]) -> int:
        for start in range(0, len(payloads), FRAMES_A_WRITE):
            frames = [payload.frame(self.prefix) for payload in payloads[start : start + FRAMES_A_WRITE]]
            if not self.write_frames(b"".join(frames)):
                return start
        return len(payloads)

    def pump(self) -> None:
        self._pump(self._operation)


def write_frames(socket: WebSocket) -> Callable[[bytes], bool] | None:
    """Return what writes whole frames to an accepted socket, below ASGI; see `StreamControl.frame_writer`."""
    control = stream_control(socket.scope)
    return None if control is None else control.frame_writer()


def join_shared(
    executor: Executor,
    socket: WebSocket,
    operation: Operation,
    params: Params,
    admitted: Admitted,
    write: Callable[[bytes], bool],
    pump: Callable[[Operation], None],
) -> bool:
    """Join a shared stream that writes frames by `write`; return False when the operation shares none.

    `pump` is called when messages could not be written at once, to send them.
    """
    shared, asked = executor.shared, executor.ask(params, socket, admitted)
    if shared is None or asked is None:
        return False
    operation.member = shared.join(asked, SocketOutlet(socket, operation, write, pump))
    return True
