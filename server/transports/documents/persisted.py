"""Documents that clients name by an identifier: those of a manifest, and those that clients have registered.

https://graphql.github.io/graphql-over-http/draft/#sec-Appendix-Persisted-Documents and
https://www.apollographql.com/docs/apollo-server/performance/apq
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from graphql import GraphQLError
from starlette.requests import HTTPConnection

from server.transports.documents.params import DocumentId, Params
from server.transports.errors import TransportCode, coded

REGISTERED_BYTES: Final = 8 * 1024 * 1024
"""The maximum size of all registered documents together; the least recently used are dropped first."""

# Clients compare these messages, as well as the codes.
_NOT_FOUND: Final = "PersistedQueryNotFound"
_NOT_SUPPORTED: Final = "PersistedQueryNotSupported"
_NOT_TRUSTED: Final = "Only the trusted documents of this server are executed, and this is none of them"


_OPERATION_NAME = re.compile(r"\b(?:query|mutation|subscription)\s+([_A-Za-z]\w*)", re.ASCII)


class TrustedDocuments:
    """Documents by identifier. Each is also found by its SHA-256 hash, with and without the prefix `sha256:`."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        hashed = {sha256(text): text for text in documents.values()}
        self._documents = {**hashed, **{f"sha256:{digest}": text for digest, text in hashed.items()}, **documents}
        self._texts = frozenset(documents.values())

    def get(self, identifier: str) -> str | None:
        """Return the document with this identifier; None without one."""
        return self._documents.get(identifier)

    def __contains__(self, text: str) -> bool:
        """Whether the text is one of the documents."""
        return text in self._texts

    @property
    def operation_names(self) -> frozenset[str]:
        """The names of the operations in the documents."""
        return frozenset(name for text in self._texts for name in _OPERATION_NAME.findall(text))


class RegisteredDocuments:
    """Documents that clients have registered by their hash, in the memory of this process: the most recently used."""

    def __init__(self, most: int, most_bytes: int = REGISTERED_BYTES) -> None:
        self.most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._documents: OrderedDict[str, str] = OrderedDict()

    def get(self, digest: str) -> str | None:
        """Return the document with this SHA-256 hash; None without one."""
        return self._documents.get(digest)

    def add(self, digest: str, text: str) -> None:
        """Keep a document as the most recently used one, and drop the least recently used above the limits."""
        if digest in self._documents:
            self._documents.move_to_end(digest)
            return
        self._documents[digest] = text
        self._bytes += _size(text)
        while len(self._documents) > self.most or self._bytes > self._most_bytes:
            _, forgotten = self._documents.popitem(last=False)
            self._bytes -= _size(forgotten)


class PersistedDocuments:
    """Finds the document that a request names, and decides which documents a caller may execute.

    `trusted_only` returns whether the caller of a connection may execute trusted documents only.
    """

    def __init__(
        self,
        trusted: TrustedDocuments | None = None,
        registered: RegisteredDocuments | None = None,
        trusted_only: Callable[[HTTPConnection], bool] = lambda _connection: False,
    ) -> None:
        self._trusted = trusted or TrustedDocuments({})
        self._registered = registered or RegisteredDocuments(most=0)
        self._trusted_only = trusted_only

    @property
    def trusted_names(self) -> frozenset[str]:
        """The names of the operations in trusted documents."""
        return self._trusted.operation_names

    def resolve(self, params: Params, connection: HTTPConnection) -> Params:
        """Return the parameters with the document itself.

        Raises a coded GraphQLError for an unknown identifier, for one that is not the document's, and for a document
        that the caller may not execute.
        """
        restricted = self._trusted_only(connection)
        if params.document_id is None:
            if restricted and params.query not in self._trusted:
                raise coded(TransportCode.DOCUMENT_NOT_TRUSTED, _NOT_TRUSTED)
            return params
        known = self._find(params.document_id, restricted=restricted)
        if not params.query:
            if known is None:
                raise self._unknown(restricted=restricted)
            return params._replace(query=known)
        if known is None:
            self._check_new(params.query, params.document_id, restricted=restricted)
        elif known != params.query:
            raise _mismatch()
        return params

    def register(self, params: Params) -> None:
        """Keep the document of an admitted request, if it was sent with its hash."""
        if params.document_id is None or params.document_id.sha256 is None or not self._registered.most:
            return
        if self._trusted.get(params.document_id.text) is None:
            self._registered.add(params.document_id.sha256, params.query)

    def _find(self, identifier: DocumentId, *, restricted: bool) -> str | None:
        trusted = self._trusted.get(identifier.text)
        if trusted is not None or restricted or identifier.sha256 is None:
            return trusted
        return self._registered.get(identifier.sha256)

    def _unknown(self, *, restricted: bool) -> GraphQLError:
        if restricted:
            return coded(TransportCode.DOCUMENT_NOT_TRUSTED, _NOT_TRUSTED)
        if not self._registered.most:
            return coded(TransportCode.PERSISTED_QUERY_NOT_SUPPORTED, _NOT_SUPPORTED)
        return coded(TransportCode.PERSISTED_QUERY_NOT_FOUND, _NOT_FOUND)

    def _check_new(self, text: str, identifier: DocumentId, *, restricted: bool) -> None:
        """Check that a document may be registered under the identifier with which it was sent."""
        if restricted:
            if text not in self._trusted:
                raise coded(TransportCode.DOCUMENT_NOT_TRUSTED, _NOT_TRUSTED)
            raise _mismatch()
        if identifier.sha256 is None or sha256(text) != identifier.sha256:
            raise _mismatch()
        if not self._registered.most:
            raise coded(TransportCode.PERSISTED_QUERY_NOT_SUPPORTED, _NOT_SUPPORTED)


def sha256(text: str) -> str:
    """Return the SHA-256 hash of a text in UTF-8, in lower-case hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _mismatch() -> GraphQLError:
    return coded(TransportCode.DOCUMENT_MISMATCH, "The identifier is not that of the document")


def _size(text: str) -> int:
    return len(text.encode())
