"""Parsing of documents, and selection of the operation to execute.

The cache is shared with the schema's parsing step (server/masking.py): a document is parsed once although the transport
needs the type of the operation before it is executed.
"""

from functools import lru_cache

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, parse

from server.transports.errors import TransportCode, coded

CACHED_DOCUMENTS = 128
CACHEABLE_CHARACTERS = 4_096
"""A syntax tree takes 100 times the size of its text, 280 times in the worst case. Both constants limit the cache to
150 MB under attack; usually it takes some 10 MB."""


def parse_document(query: str, max_tokens: int | None = None) -> DocumentNode:
    """Return the syntax tree. Raises GraphQLError with PARSE_FAILED."""
    parse_query = _parse_cached if is_cacheable(query) else parse
    try:
        return parse_query(query, max_tokens=max_tokens)
    except GraphQLError as error:
        error.extensions = {"code": TransportCode.PARSE_FAILED}
        raise


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
    """Return whether the document is short enough for the caches."""
    return len(query) <= CACHEABLE_CHARACTERS


_parse_cached = lru_cache(maxsize=CACHED_DOCUMENTS)(parse)
