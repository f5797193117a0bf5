"""Answers that were made before their request passed the middleware.

A request with a known head is executed at once (`kept_head_protocol`). When its answer is not one whose head is known
too, such as an error, it passes the middleware with the answer, so that there is one place that adds headers and logs.
"""

from typing import Final

from starlette.types import ASGIApp, Scope

MADE_ANSWER_EXTENSION: Final = "scenewire.made_answer"
"""The key among the extensions of the ASGI scope."""


def made_answer(scope: Scope) -> ASGIApp | None:
    """Return the answer to send to this request, whose state is complete; None for a request to be executed."""
    return scope.get("extensions", {}).get(MADE_ANSWER_EXTENSION)
