"""Every mutation is a deed of its viewer, and in the audit log whatever becomes of it."""

from collections.abc import Mapping
from typing import Any

from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver
from strawberry.types.info import Info as StrawberryInfo

from coordinator import audit
from models.writes.audit import OK
from schema.batches import ScenesPayload
from schema.context import Context
from schema.enums import ErrorCode

# The input that says what a mutation is about, the narrowest first.
_OBJECTS = ("delivery_id", "take_id", "scene_id", "webhook_id", "job_id")


class Audited(FieldExtension):
    """Around the resolver of a mutation: before it, what is done; after it, how it ended unless a change says so."""

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: StrawberryInfo[Context, Any], **kwargs: Any
    ) -> Any:
        """Resolve the field."""
        log, viewer = info.context.coordinator.audit, info.context.viewer
        audit.begin(viewer, info.field_name, _object_of(kwargs))
        try:
            payload = await next_(source, info, **kwargs)
        except Exception as error:
            log.note(viewer, audit.code_of(error))
            raise
        log.note(viewer, _result_of(payload))
        return payload


def _result_of(payload: Any) -> str:
    """The code of the first refusal; of a batch only when nothing was done, for else its change says what was."""
    errors = list(getattr(payload, "errors", ()))
    if isinstance(payload, ScenesPayload) and payload.results and not payload.succeeded:
        refused = [error for result in payload.results for error in result.errors]
        errors += sorted(refused, key=lambda error: error.code is ErrorCode.BATCH_ABORTED)
    return errors[0].code if errors else OK


def _object_of(arguments: Mapping[str, Any]) -> str | None:
    """The id that the request names."""
    asked = [getattr(arguments.get("input"), name, arguments.get(name)) for name in _OBJECTS]
    return next((value for value in asked if isinstance(value, str)), None)
