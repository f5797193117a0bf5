"""The executable schema's own class: what its errors say to a client, and the two caches every operation profits from.

A refusal of the domain keeps its words and its code. A client's mistake keeps the words of the specification. Whatever
else is raised stays here: it is logged once, with its traceback and an id, and the client hears only the id.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

import strawberry
from graphql import (
    ASTValidationRule,
    DocumentNode,
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
from server.transports.documents import CACHED_DOCUMENTS, is_cacheable, parse_document
from server.transports.errors import INTERNAL_MESSAGE, TransportCode, cause_of, report

logger = logging.getLogger(__name__)


class MaskedSchema(strawberry.Schema):
    """`rules` are validation rules beyond the specification's. They are classes built once, here: a rule built for each
    request would be new to the validation cache, and miss it each time. Without `suggestions` nothing that the schema
    holds is named to a client that asked for something else. `max_tokens` is what the transports parse with."""

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
        all_rules = (*specified_rules, *recommended_rules, *STRAWBERRY_RULES, *rules)
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # its `directives` are of an open generic
            query,
            mutation,
            subscription,
            types=types,
            config=config,
            extensions=[
                *extensions,
                lambda: Parsing(max_tokens),
                lambda: Validation(all_rules, hide_suggestions=not suggestions),
            ],
            execution_context_class=Execution if suggestions else DiscreetExecution,
        )

    @property
    def core(self) -> GraphQLSchema:
        """graphql-core's own schema, which Strawberry wraps."""
        return core_schema(self)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Strawberry calls it on every error of every result before anybody sees it; an error says so in place."""
        reported: dict[int, dict[str, object]] = {}
        request_id = getattr(execution_context and execution_context.context, "request_id", None)
        for error in errors:
            if "code" not in (error.extensions or {}):
                _present(error, reported, request_id)


class Parsing(SchemaExtension):
    """Takes the document from the cache that the transports have just looked into."""

    def __init__(self, max_tokens: int | None) -> None:
        super().__init__()
        self._max_tokens = max_tokens

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        with suppress(GraphQLError):  # Strawberry parses again to say what is wrong
            context.graphql_document = parse_document(context.query or "", self._max_tokens)
        yield


class Validation(SchemaExtension):
    """As Strawberry validates, but cached, and discreet where that is wanted."""

    def __init__(self, rules: tuple[type[ASTValidationRule], ...], *, hide_suggestions: bool) -> None:
        super().__init__()
        self._rules = rules
        self._hide_suggestions = hide_suggestions

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        if document is not None:
            check = _validated_cached if is_cacheable(context.query or "") else _validated
            schema = cast("MaskedSchema", context.schema).core
            context.pre_execution_errors = check(schema, document, self._rules, self._hide_suggestions)
        yield
        for error in context.pre_execution_errors or ():
            if "code" not in (error.extensions or {}):
                error.extensions = {"code": TransportCode.VALIDATION_FAILED}


def _validated(
    schema: GraphQLSchema, document: DocumentNode, rules: tuple[type[ASTValidationRule], ...], hide_suggestions: bool
) -> list[GraphQLError]:
    return validate(schema, document, rules, hide_suggestions=hide_suggestions)


_validated_cached = lru_cache(CACHED_DOCUMENTS)(_validated)


def _present(error: GraphQLError, reported: dict[int, dict[str, object]], request_id: str | None) -> None:
    """`reported` holds what one result has reported: a loader fails once for the hundred fields that waited for it."""
    cause = cause_of(error)
    match cause:
        case DomainError():
            error.message, error.extensions = cause.message, _refusal(cause)
        case DomainErrors():
            error.message = str(cause)
            error.extensions = {
                "code": ErrorCode.VALIDATION_FAILED,
                "refusals": [{**_refusal(refusal), "message": refusal.message} for refusal in cause.refusals],
            }
        case Unavailable():
            logger.warning("%s: %s", cause.code, cause.__cause__, extra={"action": "unavailable"})
            error.message, error.extensions = cause.message, {"code": cause.code}
        case CloseConnection():
            error.message, error.extensions = cause.reason, {"code": TransportCode.FORBIDDEN}
        case _ if isinstance(error, GraphQLSyntaxError):
            error.extensions = {"code": TransportCode.PARSE_FAILED}
        case _ if _is_clients_mistake(error, cause):
            error.extensions = {"code": TransportCode.BAD_USER_INPUT}
        case _:
            unexpected = cause or error
            if id(unexpected) not in reported:
                reported[id(unexpected)] = report(unexpected, request_id)
            error.message, error.extensions = INTERNAL_MESSAGE, reported[id(unexpected)]


def _is_clients_mistake(error: GraphQLError, cause: Exception | None) -> bool:
    """Variables and arguments that do not fit: graphql-core blames a variable or a value in the document for them, and
    the field itself, or nothing, for what the server got wrong (a null where there must be none, an unknown enum)."""
    if error.path is None:
        return cause is None or _blames(error, VariableDefinitionNode)
    raised = error.original_error
    return cause is None and isinstance(raised, GraphQLError) and _blames(raised, ValueNode)


def _blames(error: GraphQLError, kind: type[Node]) -> bool:
    return any(isinstance(node, kind) for node in error.nodes or ())


def _refusal(refusal: DomainError) -> dict[str, object]:
    located = {} if refusal.path is None else {"field": refusal.path}
    return {"code": refusal.code, **located}
