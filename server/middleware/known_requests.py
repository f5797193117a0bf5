"""What is decided for each request whose head is known: who sends it, and its id."""

from contextvars import Token

from starlette.types import Scope

from models.domain import trace
from server.auth.authenticator import Authenticator
from server.middleware.request_ids import accepted_id, new_id
from server.telemetry.lines import log_access
from server.transports.header_values import values_of
from server.transports.observation.port import ANSWERED_STATE
from server.transports.short_path.head_shapes import ShapedHead
from server.transports.short_path.kept_heads import Renew, State


class KnownRequests:
    """Renews the state that the middleware gave to an earlier request, and logs the request."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def of(self, scope: Scope) -> Renew:
        """Return what renews the state of a request that was authenticated."""
        kept: State = {name: value for name, value in scope["state"].items() if name != ANSWERED_STATE}
        identity_now = self._authenticator.renewal(values_of(scope, b"authorization"))

        def renewed(head: ShapedHead) -> State | None:
            identity = identity_now()
            if identity is None:
                return None
            return {
                **kept,
                "identity": identity,
                "request_id": accepted_id(head.request_id) or new_id(),
                "trace": trace.continued(head.traceparent, head.tracestate),
            }

        return renewed

    def begin(self, scope: Scope) -> Token[trace.TraceContext | None]:
        """Let what the task of the request does belong to its trace."""
        return trace.enter(scope["state"]["trace"])

    def end(self, begun: Token[trace.TraceContext | None]) -> None:
        """Leave the trace."""
        trace.leave(begun)

    def answered(self, scope: Scope, status: int) -> None:
        """Log the request."""
        log_access(scope, status, scope["state"]["request_id"])
