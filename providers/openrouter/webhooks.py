"""Verifies that a callback is from OpenRouter.

https://openrouter.ai/docs/guides/overview/multimodal/video-generation#verifying-signatures
"""

import hashlib
import hmac
import time
from collections.abc import Mapping

TOLERANCE_SECONDS = 300


class SigningSecret:
    """The secret of the workspace that signs callbacks."""

    def __init__(self, text: str) -> None:
        self._key = text.encode()

    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether the body was signed with this key within five minutes. Header names are in lower case."""
        parts = [part.strip().partition("=") for part in headers.get("x-openrouter-signature", "").split(",")]
        timestamp = next((value for name, _, value in parts if name == "t"), "")
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            return False
        if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        expected = self.signature(timestamp, body).encode()
        return any(hmac.compare_digest(expected, value.encode()) for name, _, value in parts if name == "v1")

    def signature(self, timestamp: str, body: bytes) -> str:
        """Return the signature of a body, in hexadecimal digits."""
        return hmac.new(self._key, f"{timestamp},".encode() + body, hashlib.sha256).hexdigest()
