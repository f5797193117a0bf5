"""The executable schema of a server, and the compiled operations on it."""

from collections.abc import Hashable

import sqlalchemy as sa

from execution.answers import Answers, Moments
from execution.fragments import Fragments
from execution.plans import Plans
from schema.context import Context
from schema.raw import raw_values
from server.graphql.masking import MaskedSchema
from server.graphql.schema import executable_schema
from server.settings import Settings
from server.transports.documents.compiled import CompiledOperations


def schema_of(settings: Settings) -> MaskedSchema:
    """Return the schema as the settings allow clients to see it."""
    return executable_schema(
        introspection=settings.allows_introspection,
        suggestions=settings.allows_suggestions,
        max_tokens=settings.limit_tokens,
    )


def compiled_operations(settings: Settings) -> CompiledOperations | None:
    """Return the compiled operations of a server; None when graphql-core shall make every answer."""
    if not settings.compiled_execution:
        return None
    schema = schema_of(settings)
    kind = sa.make_url(settings.database_url).get_backend_name()
    most_bytes = settings.fragment_cache_bytes
    # Half of the memory for whole answers, which are forgotten at each change, half for the jobs that they consist of.
    fragments = Fragments(most_bytes - most_bytes // 2, _scope) if most_bytes else None
    is_free = kind == "sqlite"
    moments = Moments(_moment, is_free, _moment_at_once if is_free else None)
    answers = Answers(most_bytes // 2, moments, _scope) if most_bytes else None
    plans = Plans(schema, raw_values(kind), fragments, answers)
    return CompiledOperations(schema.core, schema.validation_errors, plans, fragments, answers)


async def _moment(context: Context) -> Hashable:
    """Return a value that differs between two moments with different rows."""
    return await context.snapshot.moment()


def _moment_at_once(context: Context) -> Hashable:
    return context.snapshot.moment_at_once()


def _scope(context: Context) -> Hashable:
    """Return the viewer with its rights."""
    return context.viewer
