"""Sends the head and the body of a short response in one write.

uvicorn writes the head when a response starts, which is a system call of its own and wakes the client up for a part of
the answer. Responses that stream need that; one whose body is there already does not.
"""

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

ONE_WRITE_EXTENSION: Final = "scenewire.one_write"
"""The key among the extensions of the ASGI scope."""


def one_write(scope: Scope) -> AbstractContextManager[Any]:
    """Return the block in which the start and the whole body of the response to this request are sent."""
    extension: OneWrite | None = scope.get("extensions", {}).get(ONE_WRITE_EXTENSION)
    # The response to HEAD has no second write.
    return nullcontext() if extension is None or scope["method"] == "HEAD" else extension


class OneWrite:
    """Inside its block, the first write of a request's cycle waits for the second.

    The cycle calls back when its response is complete, and then other responses may be written: what waits is written
    before that, with the second write.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        # The cycle has the scope of the request, and the scope this object: freed at once, without a strong reference.
        self._cycle = weakref.ref(cycle)
        self._transport = cycle.transport
        self._head = b""
        self.on_head: Callable[[bytes], object] | None = None
        """Called with the head of the response when it is written."""

    def __enter__(self) -> None:
        self._set_transport(self)  # it has what a cycle calls

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._set_transport(self._transport)
        self._flush()

    def _set_transport(self, transport: Any) -> None:
        cycle = self._cycle()
        if cycle is not None:
            cycle.transport = transport

    def write(self, data: bytes) -> None:
        """Keep the head; write it with the body."""
        if self._head:
            self._head += data
            self._flush()
        else:
            self._head = data
            if self.on_head is not None:
                self.on_head(data)

    def close(self) -> None:
        """Close the connection after what was written."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether the connection is being closed."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        data, self._head = self._head, b""
        if data and not self._transport.is_closing():
            self._transport.write(data)
