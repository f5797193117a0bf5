"""Plain ids for parametrized tests, so that a shell, mutmut and `pytest FILE::TEST[ID]` can name each of them."""

import re

# pytest escapes a backslash again each time it collects in the same process, and then finds no test of that id.
PLAIN = re.compile(r"(?!.*::)[\w.,:;/=+%#@ -]*", re.ASCII)
LONGEST = 60


def plain_id(value: object, argument: str) -> str | None:
    """Return the id of a value that is text, its other characters replaced; None leaves the id to pytest."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        return None
    return re.sub(r"[^\w.,/+%-]+", "_", value, flags=re.ASCII).strip("_")[:LONGEST] or argument


def plain_text(value: object) -> str:
    """Return the id of any value, by its text; to be given as `ids`."""
    return plain_id(str(value), "value") or "value"


def is_plain(node_id: str) -> bool:
    """Return whether the part of a node id in brackets is plain."""
    _, bracket, parameters = node_id.partition("[")
    return not bracket or PLAIN.fullmatch(parameters.removesuffix("]")) is not None
