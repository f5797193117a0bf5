"""Who somebody is, as a token says it."""

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from models.domain.access import LOCAL, Role, Viewer

SUBJECT_CHARACTERS = 200
# Clocks differ. Not for the end of a token: its sockets are closed to the second.
LEEWAY_SECONDS = 10.0


class Unauthenticated(Exception):
    """There is no token, or it is not accepted; the message is the client's to read and names no secret."""


class Identity(NamedTuple):
    """A viewer, and the token's own instants in seconds since 1970; None where it says none."""

    viewer: Viewer
    expires_at: float | None = None
    issued_at: float | None = None

    @property
    def revocable(self) -> bool:
        """Whether it came from a token."""
        return self.expires_at is not None


# Of whom nothing is asked, in development.
ANYBODY = Identity(LOCAL)


def identity_of(claims: Mapping[str, Any]) -> Identity:
    """The claims of a token whose signature is right (RFC 7519, section 4.1). Raises Unauthenticated."""
    now = time.time()
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _speakable(subject):
        raise Unauthenticated("The token's sub must be a text of 1 to 200 printable characters.")
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise Unauthenticated("The token must say when it expires (exp).")
    if expires_at <= now:
        raise Unauthenticated("The token has expired.")
    issued_at = _instant(claims, "iat")
    if max(_instant(claims, "nbf") or 0.0, issued_at or 0.0) > now + LEEWAY_SECONDS:
        raise Unauthenticated("The token is not valid yet.")
    name = claims.get("name")
    named = name if isinstance(name, str) and _speakable(name) else subject
    return Identity(Viewer(subject, named, _roles(claims.get("roles"))), expires_at, issued_at)


def _roles(said: object) -> tuple[str, ...]:
    """Those we know, each once; whoever has none of them is a user."""
    listed = said.split() if isinstance(said, str) else said
    known = [role.value for role in Role if isinstance(listed, list) and role.value in cast("list[object]", listed)]
    return tuple(known) or (Role.USER.value,)


def _speakable(text: str) -> bool:
    return 0 < len(text) <= SUBJECT_CHARACTERS and text.isprintable() and bool(text.strip())


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate. Raises Unauthenticated for anything else."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e12 or math.isnan(value):
        raise Unauthenticated(f"The token's {name} must be a time in seconds.")
    return float(value)
