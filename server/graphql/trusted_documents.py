"""Trusted documents: reads their manifest, in the formats of graphql-codegen, Relay and Apollo.

graphql-codegen (`persisted-documents.json`) and Relay write an object of documents by their hash. Apollo writes
`{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id", "name", "type", "body"}]}`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from graphql import GraphQLError, parse
from starlette.requests import HTTPConnection

from models.domain.access import Viewer
from server.explorer import DIST
from server.settings import PREFIX, Settings, WrongSettings
from server.transports.documents.params import ID_CHARACTERS
from server.transports.documents.persisted import PersistedDocuments, RegisteredDocuments, TrustedDocuments, sha256
from server.transports.payloads import InvalidJSON, decode

# Written by the build of the page.
STORYBOARD_DOCUMENTS = DIST / "storyboard" / "documents.json"
MANIFEST_BYTES = 64 * 1024 * 1024
_APOLLO = ("apollo-persisted-query-manifest", 1)
# https://graphql.github.io/graphql-over-http/draft/#sec-Document-identifier-syntax
_IDENTIFIER = re.compile(rf"(?:(?:sha256|x-[A-Za-z0-9._~-]+):)?[A-Za-z0-9._~-]{{1,{ID_CHARACTERS}}}")


class _Unusable(ValueError):
    """The manifest cannot be used. The message is one line for the operator."""


def persisted_documents(settings: Settings) -> PersistedDocuments:
    """Return the documents that clients may name by an identifier. Raises WrongSettings for an unusable manifest."""
    return PersistedDocuments(
        load_trusted_documents(settings),
        RegisteredDocuments(settings.persisted_queries),
        _is_restricted if settings.trusted_documents_only else lambda _connection: False,
    )


def _is_restricted(connection: HTTPConnection) -> bool:
    """Whether the caller may execute trusted documents only. Workers and admins, which are tools of the operator, may
    execute any."""
    viewer: Viewer = connection.scope["state"]["identity"].viewer
    return not (viewer.sees_all or viewer.is_worker)


def load_trusted_documents(settings: Settings) -> TrustedDocuments | None:
    """Return the documents of the manifest, and those of the storyboard where that is on; None when the settings name
    none. Raises WrongSettings."""
    if not settings.trusted_documents:
        return None
    path = Path(settings.trusted_documents)
    try:
        documents = _documents(path)
    except (_Unusable, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WrongSettings(f"{PREFIX}TRUSTED_DOCUMENTS: {path}: {reason}") from error
    return TrustedDocuments(_of_storyboard(STORYBOARD_DOCUMENTS) | documents if settings.storyboard else documents)


def _of_storyboard(path: Path) -> dict[str, str]:
    """Return the documents that the page sends; none while it is not built."""
    return _documents(path) if path.is_file() else {}


def _documents(path: Path) -> dict[str, str]:
    if path.stat().st_size > MANIFEST_BYTES:
        raise _Unusable(f"is larger than {MANIFEST_BYTES} bytes")
    try:
        manifest = decode(path.read_bytes())
    except InvalidJSON as error:
        raise _Unusable(str(error)) from error
    if not isinstance(manifest, dict) or not manifest:
        raise _Unusable("is not an object of documents by their identifier, nor a manifest of Apollo")
    documents: dict[str, str] = {}
    for identifier, text in _entries(cast("dict[str, object]", manifest)):
        if documents.get(identifier, text) != text:
            raise _Unusable(f"names two documents {identifier!r}")
        documents[identifier] = text
        _check(identifier, text)
    return documents


def _entries(manifest: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield identifier and text of each document."""
    if "operations" not in manifest and "format" not in manifest:
        for identifier, text in manifest.items():
            yield identifier, _text(identifier, text)
        return
    if (manifest.get("format"), manifest.get("version")) != _APOLLO:
        raise _Unusable(f"has another format or version than {_APOLLO[0]} {_APOLLO[1]}")
    operations = manifest.get("operations")
    if not isinstance(operations, list):
        raise _Unusable("has no list of operations")
    for number, operation in enumerate(cast("list[object]", operations)):
        entry = cast("dict[str, object]", operation) if isinstance(operation, dict) else {}
        identifier = entry.get("id")
        if not isinstance(identifier, str):
            raise _Unusable(f"operations[{number}] has no id")
        yield identifier, _text(identifier, entry.get("body"))


def _text(identifier: str, value: object) -> str:
    if not isinstance(value, str):
        raise _Unusable(f"{identifier[:100]!r} is not the text of a document")
    return value


def _check(identifier: str, text: str) -> None:
    if not _IDENTIFIER.fullmatch(identifier):
        raise _Unusable(f"{identifier[:100]!r} is not a document identifier")
    prefix, colon, payload = identifier.partition(":")
    if colon and prefix == "sha256" and payload != sha256(text):
        raise _Unusable(f"{identifier!r} is not the hash of its document")
    try:
        parse(text)
    except GraphQLError as error:
        raise _Unusable(f"{identifier!r} is not a GraphQL document: {error.message}") from error
