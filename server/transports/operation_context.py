"""What the context of an operation has to offer to the transports."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from starlette.requests import HTTPConnection


class OperationContext(Protocol):
    """The context of one operation. One answer, or one message of a stream, is read from one snapshot."""

    def answering(self, cost: int) -> AbstractAsyncContextManager[None]:
        """Return the block in which the answer of a query or a mutation of this cost is made."""
        ...

    async def answered(self) -> None:
        """Release the connection that the resolvers of a message have used, before it is sent. Idempotent."""
        ...

    @property
    def more_follow(self) -> bool:
        """Whether the next message of the stream is made at once, from the same snapshot as the one just made."""
        ...

    @property
    def refusals(self) -> Sequence[str]:
        """The codes of refusals that are part of the answer's data, for the observer."""
        ...


GetContext = Callable[[HTTPConnection], Awaitable[OperationContext]]
"""Makes the context of one operation. It is called for each operation of a websocket: a shared context would return
stale rows from its loaders."""
