"""Audits every mutation, successful or refused."""

from collections.abc import Mapping
from typing import Any

from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver
from strawberry.types.info import Info as StrawberryInfo

from models.writes.audit import OK
from schema.batches import ScenesPayload
from schema.context import Context
from schema.enums import ErrorCode

# The arguments that name the object of a mutation, the narrowest first.
_OBJECT_ARGUMENTS = ("delivery_id", "take_id", "scene_id", "webhook_id", "asset_id", "job_id")


class Audited(FieldExtension):
    """Wraps the resolver of a mutation: its audit entry has the field's name as the action."""

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: StrawberryInfo[Context, Any], **kwargs: Any
    ) -> Any:
        """Resolve the field."""
        context, action, object_id = info.context, info.field_name, _object_of(kwargs)
        # The payload shows this field's commit, and no connection is kept while it waits for one to write.
        await context.snapshot.renew()
        async with context.coordinator.audit.mutation(context.viewer, context.audit, action, object_id) as outcome:
            payload = await next_(source, info, **kwargs)
            outcome.result = _result_of(payload)
        return payload


def _result_of(payload: Any) -> str:
    """Return the code of the first refusal, or OK. A batch is refused only when none of its items succeeded."""
    errors = list(getattr(payload, "errors", ()))
    if isinstance(payload, ScenesPayload) and payload.results and not payload.succeeded:
        refused = [error for result in payload.results for error in result.errors]
        errors += sorted(refused, key=lambda error: error.code is ErrorCode.BATCH_ABORTED)
    return errors[0].code if errors else OK


def _object_of(arguments: Mapping[str, Any]) -> str | None:
    """Return the id that the request names, if any."""
    named = [getattr(arguments.get("input"), name, arguments.get(name)) for name in _OBJECT_ARGUMENTS]
    return next((value for value in named if isinstance(value, str)), None)
