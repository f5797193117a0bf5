"""Parsing of documents, and selection of the operation to execute.

The cache is shared with the schema's parsing step (server/graphql/masking.py): a document is parsed once although the
transport needs the type of the operation before it is executed.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, parse

from server.transports.errors import TransportCode, coded

CACHEABLE_CHARACTERS: Final = 15_000
"""A longer document is parsed each time."""

CACHE_BYTES: Final = 64 * 2**20
BYTES_OF_DOCUMENT: Final = 8_000
BYTES_OF_TOKEN: Final = 500
BYTES_OF_ERROR: Final = 1_500
BYTES_OF_CHARACTER: Final = 8
"""The memory that a syntax tree takes in the worst case, with the errors of its validation; usually half of that."""

MOST_ERRORS: Final = 100
"""The number of errors at which validation ends."""

MOST_DERIVED: Final = 32
"""Most documents have two or three derived values; the costs for page sizes in variables may be many."""

T = TypeVar("T")


class ParsedDocument:
    """A syntax tree, with what was derived from it."""

    __slots__ = ("_derived", "_operations", "bytes", "document", "text")

    def __init__(self, text: str, document: DocumentNode) -> None:
        self.text = text
        self.document = document
        tokens = document.token_count or 0
        errors = min(tokens, MOST_ERRORS)
        self.bytes = (
            BYTES_OF_DOCUMENT + BYTES_OF_TOKEN * tokens + BYTES_OF_ERROR * errors + BYTES_OF_CHARACTER * len(text)
        )
        self._derived: dict[Hashable, Any] = {}
        self._operations: dict[str | None, OperationDefinitionNode] = {}

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the named operation, or the only one. Raises GraphQLError with UNKNOWN_OPERATION."""
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = find_operation(self.document, name)
        return found

    def derived(self, key: Hashable, derive: Callable[[], T]) -> T:
        """Return a value that depends on the document and the key alone; kept as long as the document."""
        try:
            return self._derived[key]
        except KeyError:
            value = derive()
        if len(self._derived) >= MOST_DERIVED:
            self._derived.clear()
        self._derived[key] = value
        return value


class DocumentCache:
    """The parsed documents of the process. The least recently used ones are forgotten beyond a number of bytes."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._parsed: OrderedDict[tuple[str, int | None], ParsedDocument] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._parsed)

    def parsed(self, text: str, max_tokens: int | None) -> ParsedDocument:
        """Return the document. Raises GraphQLError when it cannot be parsed."""
        key = (text, max_tokens)
        found = self._parsed.get(key)
        if found is not None:
            self._parsed.move_to_end(key)
            return found
        parsed = ParsedDocument(text, parse(text, max_tokens=max_tokens))
        if is_cacheable(text):
            self._parsed[key] = parsed
            self.bytes += parsed.bytes
            while self.bytes > self._most_bytes:
                _, forgotten = self._parsed.popitem(last=False)
                self.bytes -= forgotten.bytes
        return parsed


DOCUMENTS: Final = DocumentCache()


def parsed_document(query: str, max_tokens: int | None = None) -> ParsedDocument:
    """Return the document with what was derived from it. Raises GraphQLError with PARSE_FAILED."""
    try:
        return DOCUMENTS.parsed(query, max_tokens)
    except GraphQLError as error:
        error.extensions = {"code": TransportCode.PARSE_FAILED}
        raise


def parse_document(query: str, max_tokens: int | None = None) -> DocumentNode:
    """Return the syntax tree. Raises GraphQLError with PARSE_FAILED."""
    return parsed_document(query, max_tokens).document


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the named operation, or the only one (GetOperation() of the GraphQL specification).

    Raises GraphQLError with UNKNOWN_OPERATION.
    """
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is not None:
        operations = [node for node in operations if node.name is not None and node.name.value == name]
    match operations:
        case [operation]:
            return operation
        case [] if name is not None:
            raise coded(TransportCode.UNKNOWN_OPERATION, f'Unknown operation named "{name}"')
        case []:
            raise coded(TransportCode.UNKNOWN_OPERATION, "The document contains no operation")
        case _ if name is None:
            raise coded(
                TransportCode.UNKNOWN_OPERATION,
                "The document contains several operations: select one with `operationName`",
            )
        case _:
            return operations[0]  # duplicate names: validation reports them


def is_cacheable(query: str) -> bool:
    """Return whether a document is short enough for the caches."""
    return len(query) <= CACHEABLE_CHARACTERS
