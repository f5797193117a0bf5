"""The close codes of websockets, and the exception that closes one.

4400 to 4429 are those of https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md; the others are RFC 6455's
(section 7.4.1) and the IANA registry's.
"""

from enum import IntEnum

CLOSE_REASON_BYTES = 123  # RFC 6455, 5.5: a control frame carries 125 bytes, two of which are the code


class CloseCode(IntEnum):
    GOING_AWAY = 1001
    MESSAGE_TOO_BIG = 1009
    SERVICE_RESTART = 1012
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INIT_REQUESTS = 4429
    TOO_MANY_REQUESTS = 4429


class CloseConnection(Exception):
    """Raised by `on_init`, by the context factory or by a resolver to close the websocket with `code`.

    Over HTTP and server-sent events, which have no close codes, it becomes an error of the operation.
    """

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def fit_reason(reason: str) -> str:
    """Shorten a reason to CLOSE_REASON_BYTES, not inside a character."""
    return reason.encode()[:CLOSE_REASON_BYTES].decode(errors="ignore")
