"""The parameters of a GraphQL request, the same on every transport.

https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from server.transports.payloads import decode


class InvalidParams(ValueError):
    """A parameter is missing or of the wrong type."""


@dataclass(frozen=True, slots=True)
class Params:
    query: str
    variables: dict[str, object] | None = None
    operation_name: str | None = None
    extensions: dict[str, object] | None = None


def read_params(value: object) -> Params:
    """Return the parameters; unknown ones are ignored, as specified. Raises InvalidParams."""
    if not is_object(value):
        raise InvalidParams("A GraphQL request is a JSON object")
    return Params(
        query=_query(value.get("query")),
        variables=_map(value.get("variables"), "variables"),
        operation_name=_name(value.get("operationName")),
        extensions=_map(value.get("extensions"), "extensions"),
    )


def read_url_params(url: Mapping[str, str]) -> Params:
    """Return the parameters of a query string. Variables and extensions are JSON; an empty string means absent.

    Raises InvalidParams and InvalidJSON.
    """
    unpacked = {name: decode(url[name]) for name in ("variables", "extensions") if url.get(name)}
    return read_params({"query": url.get("query"), "operationName": url.get("operationName"), **unpacked})


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _query(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidParams("The parameter `query` must be a string")
    return value


def _name(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidParams("The parameter `operationName` must be a string or null")
    return value or None


def _map(value: object, name: str) -> dict[str, object] | None:
    if value is None or is_object(value):
        return value
    raise InvalidParams(f"The parameter `{name}` must be an object or null")
