"""Messages that a group makes without waiting, which are written without waking its task.

A server with many groups of few members spends more on the wake of a task, and on what a message needs that may wait,
than on the message.
"""

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING

from server.transports.shared.execution import MessageExecution
from server.transports.shared.pace import MOST, Made
from server.transports.shared.source import ReadyValues

if TYPE_CHECKING:
    from server.transports.shared.group import Group


class AtOnce:
    """Makes the pending values of one group as long as its task waits for them, and wakes it for all others."""

    __slots__ = ("_context", "_execution", "_group", "_is_due", "_is_possible", "_values", "is_waiting")

    def __init__(self, group: "Group", values: ReadyValues, execution: MessageExecution, context: Context) -> None:
        """`context`: the context variables of the group's task."""
        self._group = group
        self._values = values
        self._execution = execution
        self._context = context
        self._is_due = False
        self._is_possible = True
        self.is_waiting = False
        """Whether the task of the group waits for values, so that it makes none itself."""
        values.hand_over(self._on_pending)

    def stop(self) -> None:
        """Make no more values."""
        self._values.hand_over(None)

    def _on_pending(self) -> bool:
        """Make what is pending in the next turn of the loop, after the answer to the change; return whether it will."""
        if not (self.is_waiting and self._is_possible):
            return False
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._deliver, context=self._context)
        return True

    def _deliver(self) -> None:
        self._is_due = False
        if not self.is_waiting:
            return  # the task looks for pending values before it waits again
        group = self._group
        made = self._made() if group.is_steady else []
        try:
            if made:
                group.publish_at_once(made)
        except Exception as error:
            # The messages may have been sent to some, and are not pending any more.
            group.fail(error)
            return
        if self._values.pending:
            self._values.wake()

    def _made(self) -> list[Made]:
        """Return the pending values with their messages, up to the first one that has to be waited for."""
        made: list[Made] = []
        while len(made) < MOST and (value := self._values.peek()) is not None:
            message = self._execution.message_at_once(value.value)
            if message is None:
                # Its selection reads more than the value, or has an error: so it would for most of those that follow.
                self._is_possible = False
                break
            self._values.drop()
            made.append(Made(value, message))
        return made
