"""The checks of a token's claims (RFC 7519, section 4.1), after its signature was verified."""

import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from joserfc.errors import ClaimError, ExpiredTokenError
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

from server.auth.identity import Unauthenticated

LEEWAY_SECONDS = 10
"""The clock skew that `nbf` and `iat` may have. `exp` has none: connections are closed to the second."""

LATEST_SECONDS = 1e12
"""A later NumericDate, in seconds since 1970, is not a time; it may not even fit a float."""

_TIMES = ("exp", "nbf", "iat")
# joserfc annotates whole seconds and only compares; tokens may state fractions.
_now = cast("Callable[[], int]", time.time)


def valid_from(claims: Mapping[str, Any]) -> float:
    """Return the earliest time at which checked claims are accepted, in seconds since 1970."""
    return max((claims[name] for name in ("nbf", "iat") if claims.get(name) is not None), default=0.0) - LEEWAY_SECONDS


class ClaimChecks:
    """Checks that a token is valid now, and was issued by and for the configured parties, each unless empty."""

    def __init__(self, issuer: str, audience: str) -> None:
        expected = {"iss": issuer, "aud": audience}
        options = {name: ClaimsOption(essential=True, value=value) for name, value in expected.items() if value}
        self._expiry = JWTClaimsRegistry(_now, exp=ClaimsOption(essential=True))
        self._others = JWTClaimsRegistry(_now, LEEWAY_SECONDS, **options)
        self._names = ("nbf", "iat", *options)

    def check(self, claims: Mapping[str, Any]) -> None:
        """Raises Unauthenticated for an expired token, one from the future, and one for another party (RFC 8725,
        sections 3.8 and 3.9)."""
        stated = {name: value for name, value in claims.items() if value is not None}
        try:
            self._expiry.validate({"exp": stated.get("exp")})
            self._others.validate({name: stated[name] for name in self._names if name in stated})
        except ExpiredTokenError:
            raise Unauthenticated("The token has expired.") from None
        except ClaimError as error:
            raise Unauthenticated(f"The token is not accepted: {error.description}.") from error
        if any(abs(stated.get(name, 0)) > LATEST_SECONDS for name in _TIMES):
            raise Unauthenticated("The token is not accepted: its times are out of range.")
