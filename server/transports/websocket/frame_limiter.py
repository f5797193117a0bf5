"""Limits on the frames of one websocket, which are counted before the messages that they make up.

RFC 6455 allows empty fragments, pings and pongs without limit; each takes six bytes to send and costs the server
several microseconds.
"""

from typing import Final

from server.transports.closing import CloseCode, CloseConnection, try_again_later
from server.transports.limits import TransportLimits
from server.transports.websocket.bucket import Bucket

TOO_MANY_MESSAGES: Final = "Too many messages"


class FrameLimiter:
    """Counts the frames of one websocket. Each method raises CloseConnection above a limit."""

    def __init__(self, limits: TransportLimits) -> None:
        self._data = Bucket(limits.frames_burst, limits.frames_per_second)
        self._control = Bucket(limits.control_frames_burst, limits.control_frames_per_second)
        self._most_fragments = limits.fragments_per_message
        self._fragments = 0

    def count_first(self) -> None:
        """Count a whole message, or the first fragment of one."""
        self._fragments = 1
        self._count_data()

    def count_continuation(self) -> None:
        """Count a further fragment of a message."""
        self._fragments += 1
        if self._fragments > self._most_fragments:
            reason = f"A message may have at most {self._most_fragments} fragments"
            raise CloseConnection(CloseCode.POLICY_VIOLATION, reason)
        self._count_data()

    def count_control(self) -> None:
        """Count a ping or an unsolicited pong."""
        if not self._control.take():
            raise CloseConnection(CloseCode.POLICY_VIOLATION, "Too many control frames")

    def _count_data(self) -> None:
        if not self._data.take():
            raise try_again_later(TOO_MANY_MESSAGES)
