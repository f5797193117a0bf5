"""Errors of HTTP responses that are no success: retry, or fail with the reason."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, cast

from providers.hosted.retrying import NoResponse, Refused
from providers.refusals import Reason, reason_of

if TYPE_CHECKING:
    # Imported with the first request: most servers have no hosted provider.
    import httpx

LONGEST_WAIT_SECONDS = 120.0
REASON_CHARACTERS = 300
# As deep as errors are searched for words.
DEEPEST = 20
_CODES = {
    401: ("UNAUTHORIZED", "{service} does not accept this server's token"),
    402: ("PAYMENT_REQUIRED", "{service} requires payment first"),
    403: ("FORBIDDEN", "{service} does not allow this"),
    404: ("NOT_FOUND", "{service} does not find this"),
    422: ("INVALID_INPUT", "{service} does not accept this input"),
}
# https://replicate.com/docs/topics/predictions/rate-limits: "Your rate limit resets in ~30s."; in older versions
# "Expected available in 1 second."
_RESETS = re.compile(r"(?:resets|available) in ~?(\d+(?:\.\d+)?)\s?s")
# Fields of error objects, by which makers put the message and its code.
_MESSAGES = ("message", "detail", "error", "reason", "description", "msg", "title", "errors")
_NAMES = ("code", "type", "status")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)


def error_of(
    response: httpx.Response, secret: str | None = None, *, service: str = "The provider"
) -> Refused | NoResponse:
    """Return the error of a response whose body was read. The secret is removed from the message.

    A service explains a refusal in JSON; a page of a proxy, such as a challenge, is not its response.
    """
    status = response.status_code
    if status == 429:
        return NoResponse("status 429", harmless=True, wait_seconds=_wait(response))
    body = _body(response)
    if status >= 500 or status < 400 or status in (408, 425) or body is None:
        return NoResponse(f"status {status}", harmless=False, wait_seconds=_wait(response))
    code, meaning = _CODES.get(status, ("REQUEST_REFUSED", f"{{service}} answered with status {status}"))
    meaning = meaning.format(service=service)
    reason = _reason(body)
    if secret:
        reason = reason.replace(secret, "…")
    reason = " ".join(reason.split())[:REASON_CHARACTERS]
    if status in (400, 403, 422):
        code = _class_of(reason, code)
    return Refused(code, f"{meaning}: {reason}" if reason else f"{meaning}.", retryable=False)


def _class_of(reason: str, code: str) -> str:
    """Return the code that names the class of a refusal, if its text shows it."""
    match reason_of(reason):
        case Reason.MODERATED:
            return Reason.MODERATED.value
        case Reason.INVALID_INPUT if code == "REQUEST_REFUSED":
            return Reason.INVALID_INPUT.value
        case _:
            return code


def _reason(body: Mapping[str, object]) -> str:
    return in_words(body.get("detail")) or in_words(body.get("title")) or in_words(body.get("error"))


def in_words(error: object, depth: int = 0) -> str:
    """Return an error as text: a string, or the message and code of an object, whatever its fields are called."""
    match error:
        case None:
            return ""
        case dict() | list() if depth >= DEEPEST:
            return "…"
        case str():
            return error.strip().removeprefix("- ")
        case dict():
            fields = cast("dict[str, object]", error)
            message = next((text for name in _MESSAGES if (text := in_words(fields.get(name), depth + 1))), "")
            code = next((str(fields[name]) for name in _NAMES if isinstance(fields.get(name), str | int)), "")
            if not message:
                return code or json.dumps(error, ensure_ascii=False, default=str)
            return f"{message} ({code})" if code and code not in message else message
        case list():
            return "; ".join(text for each in cast("list[object]", error) if (text := in_words(each, depth + 1)))
        case _:
            return str(error)


def _wait(response: httpx.Response) -> float:
    """Return the requested pause in seconds, bounded: of Retry-After (RFC 9110, 10.2.3), or of the body.

    The RFC allows whole seconds only, but fractions are sent.
    """
    header = response.headers.get("retry-after", "").strip()
    body = _body(response) or {}
    in_body = body.get("retry_after")
    resets = _RESETS.search(str(body.get("detail")))
    if _SECONDS.fullmatch(header):
        wait = float(header)
    elif header:
        wait = _until(header)
    elif isinstance(in_body, int | float):
        wait = min(in_body, LONGEST_WAIT_SECONDS)
    else:
        wait = float(resets.group(1)) if resets else 0.0
    return max(0.0, min(wait, LONGEST_WAIT_SECONDS))


def _until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0


def _body(response: httpx.Response) -> dict[str, object] | None:
    try:
        body: object = response.json()
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", body) if isinstance(body, dict) else None
