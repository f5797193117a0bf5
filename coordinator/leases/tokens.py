"""The tokens of leases: random, shown once to the worker, and stored as a hash."""

import hashlib
import secrets

BYTES = 32
# Longer texts are no tokens.
MOST_CHARACTERS = 200


def new() -> str:
    """Return a new token."""
    return f"lease_{secrets.token_urlsafe(BYTES)}"


def hash_of(token: str) -> str:
    """Return the hash under which the lease of a token is stored."""
    return hashlib.sha256(token[:MOST_CHARACTERS].encode(errors="replace")).hexdigest()
