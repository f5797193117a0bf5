"""The executable schema: masks unexpected errors, and caches the parsing and validation of documents.

A domain error is sent with its message and code, a client's mistake with graphql-core's message. Every other error is
logged once, with its traceback and an id, and the client is sent only the id.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

import strawberry
from graphql import (
    ASTValidationRule,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Node,
    ValueNode,
    VariableDefinitionNode,
    recommended_rules,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from models.domain.errors import DomainError, DomainErrors, ErrorCode, Unavailable
from schema.strawberry_internals import STRAWBERRY_RULES, DiscreetExecution, Execution, core_schema
from server.transports.closing import CloseConnection
from server.transports.documents.documents import ParsedDocument, parse_document, parsed_document
from server.transports.errors import INTERNAL_MESSAGE, TransportCode, cause_of, report

logger = logging.getLogger(__name__)


class MaskedSchema(strawberry.Schema):
    """A Strawberry schema with masked errors.

    `rules` are validation rules beyond the specification's. Without `suggestions`, errors name nothing of the
    schema that the client did not name. `max_tokens` must be the limit with which the transports parse.
    """

    def __init__(
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        *,
        types: Iterable[Any] = (),
        config: StrawberryConfig | None = None,
        extensions: Iterable[type[SchemaExtension]] = (),
        rules: Sequence[type[ASTValidationRule]] = (),
        suggestions: bool = True,
        max_tokens: int | None = None,
    ) -> None:
        self._rules = (*specified_rules, *recommended_rules, *STRAWBERRY_RULES, *rules)
        self._suggestions = suggestions
        self._max_tokens = max_tokens
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # its `directives` are of an open generic
            query,
            mutation,
            subscription,
            types=types,
            config=config,
            extensions=[
                *extensions,
                lambda: Parsing(max_tokens),
                lambda: Validation(max_tokens),
            ],
            execution_context_class=Execution if suggestions else DiscreetExecution,
        )

    @property
    def core(self) -> GraphQLSchema:
        """The graphql-core schema that Strawberry wraps."""
        return core_schema(self)

    def validation_errors(self, parsed: ParsedDocument) -> list[GraphQLError]:
        """Return the errors of a document; it is validated once."""
        return parsed.derived(
            (self, "validation errors"),
            lambda: validate(self.core, parsed.document, self._rules, hide_suggestions=not self._suggestions),
        )

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Mask the errors in place. Strawberry calls this for every result before it is sent."""
        reported: dict[int, dict[str, object]] = {}
        request_id = getattr(execution_context and execution_context.context, "request_id", None)
        for error in errors:
            if "code" not in (error.extensions or {}):
                _mask(error, reported, request_id)


class Parsing(SchemaExtension):
    """Parses a document through the cache that the transports use."""

    def __init__(self, max_tokens: int | None) -> None:
        super().__init__()
        self._max_tokens = max_tokens

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        with suppress(GraphQLError):  # Strawberry parses again and reports the error
            context.graphql_document = parse_document(context.query or "", self._max_tokens)
        yield


class Validation(SchemaExtension):
    """Validates as Strawberry does, but cached, and optionally without suggestions."""

    def __init__(self, max_tokens: int | None) -> None:
        super().__init__()
        self._max_tokens = max_tokens

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.graphql_document is not None:
            parsed = parsed_document(context.query or "", self._max_tokens)
            context.pre_execution_errors = cast("MaskedSchema", context.schema).validation_errors(parsed)
        yield
        for error in context.pre_execution_errors or ():
            if "code" not in (error.extensions or {}):
                error.extensions = {"code": TransportCode.VALIDATION_FAILED}


def _mask(error: GraphQLError, reported: dict[int, dict[str, object]], request_id: str | None) -> None:
    """Set the message and extensions that are sent.

    `reported` maps the id() of each exception that was logged for this result to its extensions: one exception of a
    loader is the cause of an error in every field that awaited it.
    """
    cause = cause_of(error)
    match cause:
        case DomainError():
            error.message, error.extensions = cause.message, _extensions(cause)
        case DomainErrors():
            error.message = str(cause)
            error.extensions = {
                "code": ErrorCode.VALIDATION_FAILED,
                "refusals": [{**_extensions(each), "message": each.message} for each in cause.refusals],
            }
        case Unavailable():
            logger.warning("%s: %s", cause.code, cause.__cause__, extra={"action": "graphql.unavailable"})
            error.message, error.extensions = cause.message, {"code": cause.code}
        case CloseConnection():
            error.message, error.extensions = cause.reason, {"code": TransportCode.FORBIDDEN}
        case _ if isinstance(error, GraphQLSyntaxError):
            error.extensions = {"code": TransportCode.PARSE_FAILED}
        case _ if _is_bad_input(error, cause):
            error.extensions = {"code": TransportCode.BAD_USER_INPUT}
        case _:
            unexpected = cause or error
            if id(unexpected) not in reported:
                reported[id(unexpected)] = report(unexpected, request_id)
            error.message, error.extensions = INTERNAL_MESSAGE, reported[id(unexpected)]


def _is_bad_input(error: GraphQLError, cause: Exception | None) -> bool:
    """Whether variables or arguments have the wrong type.

    For these graphql-core locates the error at a variable or a value of the document. For an error of the server (null
    in a non-null field, an unknown enum value) it locates it at the field, or nowhere.
    """
    if error.path is None:
        return cause is None or _is_located_at(error, VariableDefinitionNode)
    raised = error.original_error
    return cause is None and isinstance(raised, GraphQLError) and _is_located_at(raised, ValueNode)


def _is_located_at(error: GraphQLError, kind: type[Node]) -> bool:
    return any(isinstance(node, kind) for node in error.nodes or ())


def _extensions(error: DomainError) -> dict[str, object]:
    field = {} if error.path is None else {"field": error.path}
    return {"code": error.code, **field}
