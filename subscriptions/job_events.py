"""jobEvents: all events of one job, in order, without gaps or repeats."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from models.db.rows import JobRow
from schema.context import Info
from subscriptions.feed import Inaccessible, Lagged
from subscriptions.job_messages import JobMessages, Message
from subscriptions.selection import selected_messages


class JobEvents(JobMessages):
    """The stream of one subscriber."""

    def __init__(self, info: Info, job: JobRow, after: int | None, *, until_settled: bool) -> None:
        super().__init__(
            info.context,
            job.id,
            -1 if after is None else after,
            until_settled=until_settled,
            selected=selected_messages(info.selected_fields),
        )

    async def messages(self) -> AsyncGenerator[Message]:
        """Join the hub, then read the state and the log, then send the buffered updates: so no event is missed."""
        with self._context.loaders.observed_by(self._guard.observe):
            async with self._context.hub.join(self._job_id, self._feed, self._context.viewer):
                for stage in (self._catch_up, self._live):
                    async with aclosing(stage()) as messages:
                        async for message in messages:
                            yield message

    async def _live(self) -> AsyncGenerator[Message]:
        """Send the updates in the feed as they come."""
        while not await self._finished():
            received = await self._feed.next()
            if isinstance(received, Inaccessible):
                return
            async with self._context.making_message():
                message = await self._message(received)
                if message is not None:
                    yield message
                elif isinstance(received, Lagged):
                    return
