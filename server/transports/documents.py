"""From the text of a request to the operation that it means.

The cache is shared with the schema's own parsing step (server/masking.py), so that a document is parsed once although
the transport must know the operation's type before it executes anything.
"""

from functools import lru_cache

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, parse

from server.transports.errors import TransportCode, coded

CACHED_DOCUMENTS = 128
CACHEABLE_CHARACTERS = 4_096
"""A syntax tree takes 100 times its text, and 280 times when somebody packs it: these bound the cache to 150 MB for who
wants to fill it, and to some 10 MB for everybody else."""


def parse_document(query: str, max_tokens: int | None = None) -> DocumentNode:
    """Raise a GraphQLError that carries PARSE_FAILED."""
    read = _parse_cached if is_cacheable(query) else parse
    try:
        return read(query, max_tokens=max_tokens)
    except GraphQLError as error:
        error.extensions = {"code": TransportCode.PARSE_FAILED}
        raise


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """GraphQL specification, GetOperation(): without a name the document must hold exactly one operation."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is not None:
        operations = [node for node in operations if node.name is not None and node.name.value == name]
    match operations:
        case [operation]:
            return operation
        case [] if name is not None:
            raise coded(TransportCode.UNKNOWN_OPERATION, f'Unknown operation named "{name}"')
        case []:
            raise coded(TransportCode.UNKNOWN_OPERATION, "The document holds no operation")
        case _ if name is None:
            raise coded(TransportCode.UNKNOWN_OPERATION, "Several operations: say which one with `operationName`")
        case _:
            return operations[0]  # the name is taken twice: validation says so better


def is_cacheable(query: str) -> bool:
    return len(query) <= CACHEABLE_CHARACTERS


_parse_cached = lru_cache(maxsize=CACHED_DOCUMENTS)(parse)
