"""The signing secrets of webhooks, by https://www.standardwebhooks.com.

A secret is shown once, when it is created. The database holds it encrypted (AES-GCM, NIST SP 800-38D) with the id of
its webhook as associated data, so that it cannot be copied to another webhook's row.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from models.lazy_import import lazily

if TYPE_CHECKING:
    import standardwebhooks
    from cryptography import exceptions
    from cryptography.hazmat.primitives.ciphers import aead
else:
    standardwebhooks = lazily("standardwebhooks")
    exceptions = lazily("cryptography.exceptions")
    aead = lazily("cryptography.hazmat.primitives.ciphers.aead")

# The specification asks for 24 to 64 bytes.
SECRET_BYTES = 32
PREFIX = "whsec_"
NONCE_BYTES = 12


class Unsigned(Exception):
    """A message cannot be signed: the secret cannot be decrypted with this server's key, or is malformed."""


class Secrets:
    """Encrypts and decrypts secrets with the server's key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @cached_property
    def _cipher(self) -> "aead.AESGCM":
        return aead.AESGCM(self._key)

    def seal(self, secret: str, webhook_id: str) -> str:
        """Encrypt the secret of a webhook for storage."""
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), webhook_id.encode())).decode()

    def unseal(self, stored: str, webhook_id: str) -> str:
        """Decrypt a stored secret. Raises Unsigned when it was stored with another key, or for another webhook."""
        try:
            sealed = base64.b64decode(stored, validate=True)
            nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            return self._cipher.decrypt(nonce, text, webhook_id.encode()).decode()
        except (ValueError, exceptions.InvalidTag) as error:
            raise Unsigned("the secret cannot be decrypted with this server's key") from error


def new_secret() -> str:
    """Generate a secret in the format that its owner receives."""
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def signed(secrets: Sequence[str], message_id: str, at: datetime, body: str) -> Mapping[str, str]:
    """Return the three headers of a message sent at an instant, signed with each of the secrets. Raises Unsigned."""
    signatures = " ".join(_signature(secret, message_id, at, body) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures,
    }


def _signature(secret: str, message_id: str, at: datetime, body: str) -> str:
    try:
        return standardwebhooks.Webhook(secret).sign(message_id, at, body)
    except Exception as error:
        # The library raises errors of base64, of its own, and RuntimeError.
        raise Unsigned("the secret is malformed") from error
