"""Verifies that a callback is from Replicate: https://replicate.com/docs/topics/webhooks/verify-webhook.

The scheme is that of https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300


class SigningSecret:
    """The key that signs the webhooks of this account. Raises ValueError for malformed text."""

    def __init__(self, text: str) -> None:
        try:
            self._key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except ValueError:
            self._key = b""
        if not self._key or not text.startswith(PREFIX):
            raise ValueError(f"must be {PREFIX} and base64, as GET /webhooks/default/secret returns")

    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether the body was signed with this key within five minutes. Header names are in lower case."""
        message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (message_id and timestamp.isdecimal() and len(timestamp) <= 12):
            return False
        if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        expected = self.signature(message_id, timestamp, body).encode()
        # There are several while the key is rotated.
        return any(hmac.compare_digest(expected, one.encode()) for one in headers.get("webhook-signature", "").split())

    def signature(self, message_id: str, timestamp: str, body: bytes) -> str:
        """Return the signature of a message, with its version."""
        digest = hmac.new(self._key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}"
