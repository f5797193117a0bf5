"""Errors of HTTP responses that are no success: retry, or fail with the reason."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import cast

import httpx

from providers.port import Failure
from providers.replicate.retrying import NoResponse

LONGEST_WAIT_SECONDS = 120.0
REASON_CHARACTERS = 300
_CODES = {
    401: ("UNAUTHORIZED", "Replicate does not accept this server's token"),
    402: ("PAYMENT_REQUIRED", "Replicate requires payment first"),
    403: ("FORBIDDEN", "Replicate does not allow this"),
    404: ("NOT_FOUND", "Replicate does not find this"),
    422: ("INVALID_INPUT", "Replicate does not accept this input"),
}
# https://replicate.com/docs/topics/predictions/rate-limits: "Your rate limit resets in ~30s."
_RESETS = re.compile(r"resets in ~?(\d+)\s?s")


def error_of(response: httpx.Response, secret: str | None = None) -> Failure | NoResponse:
    """Return the error of a response whose body was read. The secret is removed from the message."""
    status = response.status_code
    if status == 429:
        return NoResponse("status 429", harmless=True, wait_seconds=_wait(response))
    if status >= 500 or status in (408, 425):
        return NoResponse(f"status {status}", harmless=False, wait_seconds=_wait(response))
    code, meaning = _CODES.get(status, ("REQUEST_REFUSED", f"Replicate answered with status {status}"))
    reason = _reason(response)
    if secret:
        reason = reason.replace(secret, "…")
    reason = " ".join(reason.split())[:REASON_CHARACTERS]
    return Failure(code, f"{meaning}: {reason}" if reason else f"{meaning}.", retryable=False)


def _reason(response: httpx.Response) -> str:
    body = _body(response)
    detail, title = body.get("detail"), body.get("title")
    reason = detail if isinstance(detail, str) else title if isinstance(title, str) else ""
    return reason.strip().removeprefix("- ")


def _wait(response: httpx.Response) -> float:
    """Return the requested pause in seconds, bounded: of Retry-After (RFC 9110, 10.2.3), or of Replicate's body."""
    header = response.headers.get("retry-after", "").strip()
    body = _body(response)
    in_body = body.get("retry_after")
    resets = _RESETS.search(str(body.get("detail")))
    if header.isdecimal() and len(header) < 10:
        wait = float(header)
    elif header:
        wait = _until(header)
    elif isinstance(in_body, int | float):
        wait = float(in_body)
    else:
        wait = float(resets.group(1)) if resets else 0.0
    return max(0.0, min(wait, LONGEST_WAIT_SECONDS))


def _until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return 0.0


def _body(response: httpx.Response) -> dict[str, object]:
    try:
        body: object = response.json()
    except ValueError:
        return {}
    return cast("dict[str, object]", body) if isinstance(body, dict) else {}
