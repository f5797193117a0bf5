"""Webhooks of another fake of Replicate, by https://replicate.com/docs/topics/webhooks.

Signed as https://www.standardwebhooks.com; the final one is sent again after a response that is no success.
"""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.replicate_state import SECRET
from tests.support.waiting import TIMEOUT_SECONDS

Json = dict[str, Any]

ATTEMPTS = 3
RETRY_SECONDS = 0.2


def deliver(address: str, document: Json, hosts: Mapping[str, str], *, final: bool) -> list[int]:
    """Send a prediction to its webhook; return the status of each attempt, none when nothing listens there."""
    statuses: list[int] = []
    message_id = f"msg_{secrets.token_urlsafe(16)}"
    while (status := post(address, json.dumps(document).encode(), hosts, message_id=message_id)) is not None:
        statuses.append(status)
        if status < 400 or not final or len(statuses) == ATTEMPTS:
            break
        time.sleep(RETRY_SECONDS)
    return statuses


def post(
    address: str,
    body: bytes,
    hosts: Mapping[str, str],
    *,
    message_id: str,
    secret: str = SECRET,
    age_seconds: float = 0.0,
) -> int | None:
    """Send one request, unsigned without a secret; return the status of its response, None when nothing listens."""
    parts = urlsplit(address)
    actual = hosts.get(f"{parts.scheme}://{parts.netloc}")
    if actual is None:
        return None
    stamp = str(int(time.time() - age_seconds))
    headers = {"Content-Type": "application/json", "User-Agent": "Replicate-Webhooks"}
    if secret:
        headers |= {"Webhook-ID": message_id, "Webhook-Timestamp": stamp}
        headers["Webhook-Signature"] = f"v1,{signature(secret, message_id, stamp, body)}"
    try:
        return httpx.post(actual + parts.path, content=body, headers=headers, timeout=TIMEOUT_SECONDS).status_code
    except httpx.TransportError:
        return 500


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """Return the signature of a message in base64."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = b".".join([message_id.encode(), stamp.encode(), body])
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
