"""What another fake of Replicate accepts as the request of a prediction, by the OpenAPI description of the API."""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from tests.support.replicate_state import OFFICIAL, VERSION

Json = dict[str, Any]

MODEL_INPUTS = {"prompt": str, "duration": (int, float), "seed": int, "style": str}
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


class Problem(Exception):
    """A response that is no success, in the form of RFC 7807."""

    def __init__(self, status: int, detail: str, title: str | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.document = {"title": title or HTTPStatus(status).phrase, "detail": detail, "status": status, **more}


def check_request(request: Json) -> None:
    """Refuse a request that the description does not allow. Raises Problem."""
    problems = [
        (name, f"Additional property {name} is not allowed")
        for name in request.keys() - {"version", "input", "stream", "webhook", "webhook_events_filter"}
    ]
    given: Json = request.get("input", {})
    for name, value in given.items():
        if name not in MODEL_INPUTS:
            problems.append((f"input.{name}", f"Additional property {name} is not allowed"))
        elif not isinstance(value, MODEL_INPUTS[name]):
            problems.append((f"input.{name}", "Invalid type"))
    if not given.get("prompt"):
        problems.append(("input", "prompt is required"))
    if not str(request.get("webhook", "https://")).startswith("https://"):
        problems.append(("webhook", "webhook must be an HTTPS URL"))
    if problems:
        detail = "".join(f"- {field}: {text}\n" for field, text in problems)
        fields = [{"type": "schema", "field": field, "description": text} for field, text in problems]
        raise Problem(422, detail, "Input validation failed", invalid_fields=fields)
    version = str(request.get("version", ""))
    if version.rpartition(":")[2] != VERSION and version != OFFICIAL:
        detail = "The specified version does not exist (or perhaps you don't have permission to use it?)"
        raise Problem(422, detail, "Invalid version or not permitted")


def lifetime_of(text: str | None) -> timedelta | None:
    """Read the header Cancel-After: units h, m and s, seconds without one, at least five seconds. Raises Problem."""
    if text is None:
        return None
    found = DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found and text else (0, 0, 0)
    lifetime = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if lifetime < timedelta(seconds=5):
        raise Problem(400, "Cancel-After must be a duration of at least 5 seconds.")
    return lifetime
