"""Audits every mutation, successful or refused."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver
from strawberry.types.base import StrawberryList, get_object_definition
from strawberry.types.info import Info as StrawberryInfo

from models.domain.errors import Forbidden
from models.writes.audit import OK
from schema.batches import ScenesPayload
from schema.context import Context
from schema.enums import ErrorCode
from schema.errors import user_errors

# The arguments that name the object of a mutation, the narrowest first.
_OBJECT_ARGUMENTS = ("delivery_id", "take_id", "scene_id", "webhook_id", "asset_id", "token_id", "job_id")


class Audited(FieldExtension):
    """Wraps the resolver of a mutation: its audit entry has the field's name as the action."""

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: StrawberryInfo[Context, Any], **kwargs: Any
    ) -> Any:
        """Resolve the field."""
        context, action, object_id = info.context, info.field_name, _object_of(kwargs)
        # The payload shows this field's commit, and no connection is kept while it waits for one to write.
        await context.snapshot.renew()
        try:
            async with context.coordinator.audit.mutation(context.viewer, context.audit, action, object_id) as outcome:
                payload = await next_(source, info, **kwargs)
                outcome.result = _result_of(payload)
        except Forbidden as refusal:
            # Of the access token; commands that refuse have been answered already.
            return _refused(info, refusal)
        return payload


def _refused(info: StrawberryInfo[Context, Any], refusal: Forbidden) -> Any:
    """Return the payload of a mutation that was refused before anything of it was done."""
    payload = cast("type[Any]", info.return_type)
    fields = {field.python_name: _nothing(field.type) for field in get_object_definition(payload, strict=True).fields}
    return payload(**fields | {"errors": user_errors([refusal])})


def _nothing(kind: Any) -> Any:
    """Return the value of a field of a payload that shows nothing."""
    return [] if isinstance(kind, StrawberryList) else kind() if kind in (int, bool) else None


def _result_of(payload: Any) -> str:
    """Return the code of the first refusal, or OK. A batch is refused only when none of its items succeeded."""
    errors = list(getattr(payload, "errors", ()))
    if isinstance(payload, ScenesPayload) and payload.results and not payload.succeeded:
        refused = [error for result in payload.results for error in result.errors]
        errors += sorted(refused, key=lambda error: error.code is ErrorCode.BATCH_ABORTED)
    return errors[0].code if errors else OK


def _object_of(arguments: Mapping[str, Any]) -> str | None:
    """Return the id that the request names, if any."""
    given = arguments.get("input")
    fields = arguments if given is None else cast("Mapping[str, Any]", vars(given))
    for name in _naming(frozenset(fields)):
        if isinstance(fields[name], str):
            return fields[name]
    return None


@cache
def _naming(fields: frozenset[str]) -> Sequence[str]:
    """Return those of the fields of an input, or of the arguments of a mutation, that name its object."""
    return [name for name in _OBJECT_ARGUMENTS if name in fields]
