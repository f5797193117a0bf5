"""Signed addresses of uploads: one permits to write the bytes, and nothing else."""

import hashlib
import hmac
import math
import time
from datetime import datetime

from starlette.datastructures import QueryParams

UPLOADS_PATH = "/uploads/"
EXPIRES, SIGNATURE = "expires", "signature"


class UploadAddresses:
    """Makes the addresses of uploads, and verifies their signatures."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def path(self, upload_id: str, expires_at: datetime) -> str:
        """Return the path and the query of the address."""
        expires = str(math.ceil(expires_at.timestamp()))
        return f"{UPLOADS_PATH}{upload_id}?{EXPIRES}={expires}&{SIGNATURE}={self._signature(upload_id, expires)}"

    def allows(self, upload_id: str, query: QueryParams) -> bool:
        """Return whether a request with this query may write the upload now."""
        expires, signature = _only(query, EXPIRES), _only(query, SIGNATURE)
        # The signature is compared first, in constant time; nothing else of an unsigned address is parsed.
        signed = hmac.compare_digest(signature.encode(), self._signature(upload_id, expires).encode())
        return signed and time.time() < int(expires)

    def _signature(self, upload_id: str, expires: str) -> str:
        message = f"{UPLOADS_PATH}{upload_id}\n{expires}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def _only(query: QueryParams, name: str) -> str:
    values = query.getlist(name)
    return values[0] if len(values) == 1 else ""
