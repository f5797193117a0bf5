"""Records what is decided by the head of a request while it takes the ordinary way, so that the next one need not."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope

from server.transports.errors import REQUEST_ID_STATE
from server.transports.responses.one_write import ONE_WRITE_EXTENSION, OneWrite
from server.transports.short_path.head_shapes import without_varying
from server.transports.short_path.kept_heads import Answer, AnswersAtOnce, KeptHead, KeptHeads, Renewal
from server.transports.short_path.response_heads import ResponseHead

RECORDER_EXTENSION: Final = "scenewire.head_recorder"
"""The key among the extensions of the ASGI scope."""


@dataclass(frozen=True, slots=True)
class HeadRecorder:
    """Keeps the head of one request, if the endpoint and the response allow it."""

    heads: KeptHeads
    key: Hashable
    text: bytes
    """The head."""
    received: Scope
    """The scope before the middleware."""
    server_lines: Callable[[], bytes]

    def record(
        self, scope: Scope, content: bytes, answer: Answer, at_once: AnswersAtOnce | None, renewal: Renewal
    ) -> None:
        """Keep the head with the response that is sent next.

        `scope` is that of the endpoint, `content` the body of the response, and `answer` executes other requests with
        this head, unless `at_once` answers them.
        """
        one_write: OneWrite | None = scope["extensions"].get(ONE_WRITE_EXTENSION)
        if one_write is None:
            return
        renew = renewal.of(scope)
        passed = _kept_part(scope)
        request_id: str | None = scope.get("state", {}).get(REQUEST_ID_STATE)

        def keep(head: bytes) -> None:
            response = ResponseHead.of(head, self.server_lines(), len(content), request_id)
            if response is not None:
                kept = KeptHead(_kept_part(self.received), passed, renew, renewal, answer, at_once, response)
                self.heads.add(self.key, self.text, kept)

        one_write.on_head = keep


def _kept_part(scope: Scope) -> Scope:
    """Return what is the same for all requests with the head."""
    kept = {name: value for name, value in scope.items() if name not in ("state", "extensions")}
    kept["headers"] = without_varying(scope["headers"])
    return kept


def head_recorder(scope: Scope) -> HeadRecorder | None:
    """Return the recorder of a request whose head is worth keeping."""
    return scope.get("extensions", {}).get(RECORDER_EXTENSION)
