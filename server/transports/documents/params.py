"""The parameters of a GraphQL request, the same on every transport.

https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

from server.transports.payloads import decode

ID_CHARACTERS = 512


class InvalidParams(ValueError):
    """A parameter is missing or of the wrong type."""


@dataclass(frozen=True, slots=True)
class DocumentId:
    """The identifier of a document that the server may know.

    https://graphql.github.io/graphql-over-http/draft/#sec-Appendix-Persisted-Documents
    """

    text: str
    sha256: str | None
    """The hash of the document that the identifier states, in hexadecimal digits; None for a custom identifier."""


class Params(NamedTuple):
    """What a client asks for."""

    query: str
    """The document; empty when only an identifier was sent, until `PersistedDocuments.resolve` replaces it."""
    variables: dict[str, object] | None = None
    operation_name: str | None = None
    extensions: dict[str, object] | None = None
    document_id: DocumentId | None = None


def read_params(value: object) -> Params:
    """Return the parameters; unknown ones are ignored, as specified. Raises InvalidParams."""
    if not is_object(value):
        raise InvalidParams("A GraphQL request is a JSON object")
    extensions = _map(value.get("extensions"), "extensions")
    document_id = _document_id(value.get("documentId")) or _apollo_id(extensions)
    return Params(
        query=_query(value.get("query"), required=document_id is None),
        variables=_map(value.get("variables"), "variables"),
        operation_name=_name(value.get("operationName")),
        extensions=extensions,
        document_id=document_id,
    )


def read_url_params(url: Mapping[str, str]) -> Params:
    """Return the parameters of a query string. Variables and extensions are JSON; an empty string means absent.

    Raises InvalidParams and InvalidJSON.
    """
    unpacked = {name: decode(url[name]) for name in ("variables", "extensions") if url.get(name)}
    texts = {name: url.get(name) for name in ("query", "operationName")}
    return read_params({**texts, "documentId": url.get("documentId") or None, **unpacked})


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def has_document(url: Mapping[str, str]) -> bool:
    """Whether a query string holds a GraphQL request, as opposed to a browser's visit."""
    return any(name in url for name in ("query", "documentId", "extensions"))


def _query(value: object, *, required: bool) -> str:
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise InvalidParams("The parameter `query` must be a string")
    return value


def _document_id(value: object) -> DocumentId | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARACTERS:
        raise InvalidParams(f"The parameter `documentId` must be a string of 1 to {ID_CHARACTERS} characters")
    prefix, colon, payload = value.partition(":")
    return DocumentId(value, payload if colon and prefix == "sha256" else None)


def _apollo_id(extensions: dict[str, object] | None) -> DocumentId | None:
    """Return the identifier of an automatic persisted query, whose hash may be a custom identifier of a manifest.

    https://www.apollographql.com/docs/apollo-server/performance/apq
    """
    extension = (extensions or {}).get("persistedQuery")
    if extension is None:
        return None
    if not is_object(extension) or extension.get("version") != 1:
        raise InvalidParams("The extension `persistedQuery` must be an object of version 1")
    value = extension.get("sha256Hash")
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARACTERS:
        raise InvalidParams(f"`persistedQuery.sha256Hash` must be a string of 1 to {ID_CHARACTERS} characters")
    return DocumentId(value, value)


def _name(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidParams("The parameter `operationName` must be a string or null")
    return value or None


def _map(value: object, name: str) -> dict[str, object] | None:
    if value is None or is_object(value):
        return value
    raise InvalidParams(f"The parameter `{name}` must be an object or null")
