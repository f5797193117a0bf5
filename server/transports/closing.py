"""The close codes of websockets, and the exception that closes one.

4400 to 4429 are those of https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md; the others are RFC 6455's
(section 7.4.1) and the IANA registry's. Clients do not reconnect after the codes that name a mistake of their own: the
package graphql-ws gives up after 1002, 1008, 1009, 1011, 4400, 4401, 4406, 4409 and 4429, and reconnects after 1001,
1006, 1012, 1013, 4403 and 4408.
"""

import math
from enum import IntEnum

CLOSE_REASON_BYTES = 123  # RFC 6455, 5.5: a control frame carries 125 bytes, two of which are the code


class CloseCode(IntEnum):
    GOING_AWAY = 1001
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INIT_REQUESTS = 4429


class CloseConnection(Exception):
    """Raised by `on_init`, by the context factory or by a resolver to close the websocket with `code`.

    Over HTTP and server-sent events, which have no close codes, it becomes an error of the operation.
    """

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def try_again_later(reason: str, after_seconds: float = 1) -> CloseConnection:
    """Return the close for a client that exceeded a limit and may reconnect after this time."""
    hint = f"{reason}; retry after {max(1, math.ceil(after_seconds))} s"
    return CloseConnection(CloseCode.TRY_AGAIN_LATER, hint)


def fit_reason(reason: str) -> str:
    """Shorten a reason to CLOSE_REASON_BYTES, not inside a character."""
    return reason.encode()[:CLOSE_REASON_BYTES].decode(errors="ignore")
