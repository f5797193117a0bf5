"""Identities: the principal of a request, from the claims of its token."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard, cast

from starlette.requests import HTTPConnection

from models.domain.access import LOCAL, Role, Viewer

SUBJECT_CHARACTERS = 200


class Unauthenticated(Exception):
    """There is no token, or it is not accepted. The message is for the client and contains no secret."""


class Identity(NamedTuple):
    """A viewer, and the token's times in seconds since 1970; None where it states none."""

    viewer: Viewer
    expires_at: float | None = None
    issued_at: float | None = None

    @property
    def revocable(self) -> bool:
        """Whether it came from a token."""
        return self.expires_at is not None


ANONYMOUS = Identity(LOCAL)
"""The identity of requests without a token, in development."""


def identity_of(claims: Mapping[str, Any], roles_claim: str = "roles") -> Identity:
    """Return the identity that checked claims state. Raises Unauthenticated for a `sub` that cannot be displayed.

    `roles_claim` is the name of the claim with the roles, or its path: names joined by dots.
    """
    subject = claims.get("sub")
    if not is_displayable(subject):
        raise Unauthenticated(f"The token's sub must be 1 to {SUBJECT_CHARACTERS} printable characters.")
    name = claims.get("name")
    viewer = Viewer(subject, name if is_displayable(name) else subject, _roles(_claim_at(claims, roles_claim)))
    return Identity(viewer, _seconds(claims.get("exp")), _seconds(claims.get("iat")))


def connected_as(connection: HTTPConnection) -> Identity | None:
    """Return the identity of a connection, None before authentication."""
    # Not by `connection.state`, which makes an object each time: all connections are looked at every other second.
    return connection.scope.get("state", {}).get("identity")


def is_displayable(text: object) -> TypeGuard[str]:
    """Whether the text can be a subject or a name: 1 to 200 printable characters, not all of them spaces."""
    return isinstance(text, str) and 0 < len(text) <= SUBJECT_CHARACTERS and text.isprintable() and bool(text.strip())


def _claim_at(claims: Mapping[str, Any], path: str) -> object:
    """Return the claim at a path, None without one. A name may itself hold dots, as in https://example.com/roles."""
    if path in claims:
        return claims[path]
    for dot in (index for index, character in enumerate(path) if character == "."):
        below: object = claims.get(path[:dot])
        found = _claim_at(cast("dict[str, Any]", below), path[dot + 1 :]) if isinstance(below, dict) else None
        if found is not None:
            return found
    return None


def _roles(claim: object) -> tuple[str, ...]:
    """Return the known roles of the claim, each once; without any, the role is `user`."""
    listed = claim.split() if isinstance(claim, str) else claim
    known = [role.value for role in Role if isinstance(listed, list) and role.value in cast("list[object]", listed)]
    return tuple(known) or (Role.USER.value,)


def _seconds(claim: int | float | None) -> float | None:
    return None if claim is None else float(claim)
