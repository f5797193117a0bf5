"""Compare the answers of two servers before either is timed."""

import http.client
import json
from datetime import datetime
from typing import Any, cast

from bench.server import Target

TIMEOUT_SECONDS = 60.0


class AnswersDiffer(Exception):
    """Two servers answer the same request differently, so that their times cannot be compared."""


def ask(server: Target, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    """Return the data of an answer. Raises AnswersDiffer when it has errors."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_SECONDS)
    headers = {"content-type": "application/json", "accept": "application/json", **(headers or {})}
    try:
        connection.request("POST", server.path, json.dumps(body), headers)
        text = connection.getresponse().read()
    finally:
        connection.close()
    answer = json.loads(text)
    if answer.get("errors") or answer.get("data") is None:
        raise AnswersDiffer(f"{server.name} answers {text[:1000]!r}")
    return answer["data"]


def check_equal(first: Any, second: Any, name: str) -> None:
    """Raise AnswersDiffer, naming the first difference, unless two answers say the same."""
    difference = _difference(normalized(first), normalized(second), "data")
    if difference:
        raise AnswersDiffer(f"{name}: {difference}")


def normalized(value: Any) -> Any:
    """Return an answer in which equal instants and equal numbers are written alike."""
    if isinstance(value, dict):
        return {key: normalized(each) for key, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [normalized(each) for each in cast("list[Any]", value)]
    if isinstance(value, str) and len(value) > 18 and value[4:5] == "-" and value[10:11] == "T":
        return datetime.fromisoformat(value).timestamp()
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _difference(first: Any, second: Any, path: str) -> str:
    ours, theirs = _items(first), _items(second)
    if ours is None or theirs is None or list(ours) != list(theirs):
        return "" if first == second else f"{path} is {str(first)[:200]} here and {str(second)[:200]} there"
    return next((found for key in ours if (found := _difference(ours[key], theirs[key], f"{path}.{key}"))), "")


def _items(value: Any) -> dict[Any, Any] | None:
    """Return the members of an object or a list by name or number; None for anything else."""
    if isinstance(value, dict):
        return cast("dict[Any, Any]", value)
    return dict(enumerate(cast("list[Any]", value))) if isinstance(value, list) else None
