"""Which subscriptions share their execution, and the scope in which they may."""

from collections.abc import Hashable
from typing import Any, NamedTuple

from starlette.requests import HTTPConnection

from models.domain.access import Viewer
from server.graphql.masking import MaskedSchema
from server.middleware.forwarding import public_path
from server.settings import Settings
from server.transports.shared.streams import SharedSubscriptions
from subscriptions.sharing import SHARED


class Scope(NamedTuple):
    """Everything of a connection that an answer may depend on; contexts are made from nothing else of it."""

    viewer: Viewer
    public_path: str


def scope(connection: HTTPConnection) -> Scope:
    """Return the scope of a connection."""
    state: dict[str, Any] = connection.scope["state"]
    return Scope(state["identity"].viewer, public_path(connection))


def _hashable_scope(connection: HTTPConnection) -> Hashable:
    return scope(connection)


def shared_subscriptions(schema: MaskedSchema, settings: Settings) -> SharedSubscriptions | None:
    """Return the shared subscriptions; None when the setting turns them off."""
    if not settings.shared_streams:
        return None
    buffered = settings.subscriber_events
    return SharedSubscriptions(schema.core, SHARED, _hashable_scope, schema.validation_errors, buffered)
