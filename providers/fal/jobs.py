"""Requests in fal's queue: their ids, their states and results."""

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from providers.hosted.job import Job, State
from providers.hosted.outputs import candidates
from providers.hosted.schema import is_object

# The status, result and cancel of a request are below the owner and the app, without the rest of the model's name.
_JOB_ID = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}/requests/[\w-]{1,100}", re.ASCII)
_REQUEST_ID = re.compile(r"[\w-]{1,100}", re.ASCII)


def is_job_id(text: str) -> bool:
    """Whether this is the path of a request in the queue."""
    return _JOB_ID.fullmatch(text) is not None and ".." not in text


def job_id_of(model: str, request_id: object, response_url: object = None) -> str | None:
    """Return the path of a request, from fal's response or else built from its model; None without an id."""
    if isinstance(response_url, str):
        try:
            path = urlsplit(response_url).path.strip("/")
        except ValueError:
            path = ""
        if is_job_id(path):
            return path
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        return None
    return f"{'/'.join(model.split('/')[:2])}/requests/{request_id}"


def running(status: Mapping[str, object]) -> Job:
    """Return a request that is not completed; an unknown status counts as running."""
    return Job(State.RUNNING, logs=_logs(status))


def failed(status: Mapping[str, object], error: str) -> Job:
    """Return a request that is completed without a result."""
    canceled = "cancel" in str(status.get("error_type")).lower()
    return Job(State.CANCELED if canceled else State.FAILED, error=error, metrics=_metrics(status))


def succeeded(status: Mapping[str, object], result: Mapping[str, object]) -> Job:
    """Return a request with its result."""
    seed = result.get("seed")
    return Job(
        State.SUCCEEDED,
        files=candidates(result),
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32 else None,
        metrics=_metrics(status),
    )


def _logs(status: Mapping[str, object]) -> str:
    lines = status.get("logs")
    found = cast("list[object]", lines) if isinstance(lines, list) else []
    return "\n".join(str(line.get("message", "")) for line in found if is_object(line))


def _metrics(status: Mapping[str, object]) -> Mapping[str, object]:
    metrics = status.get("metrics")
    seconds = metrics.get("inference_time") if is_object(metrics) else None
    return {"inferenceSeconds": seconds} if isinstance(seconds, int | float) and not isinstance(seconds, bool) else {}
