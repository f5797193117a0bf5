"""Calls of resolvers with extensions, without Strawberry's own call around them."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import build_field_extension_resolvers
from strawberry.types.info import Info

from execution.sites import Site, Slots


def direct_call(schema: strawberry.Schema, site: Site) -> Callable[[Slots], Any] | None:
    """Return the call of an asynchronous resolver; None where Strawberry has more to do than to call it."""
    definition, resolver = site.definition, site.resolver
    if resolver is None or not definition.is_async:
        return None
    if schema.exception_handlers or schema.config.info_class is not Info or resolver.parent_parameter is not None:
        return None
    if resolver.root_parameter is not None or any(map(_changes_arguments, definition.extensions)):
        return None
    function, takes_source = resolver.wrapped_func, resolver.self_parameter is not None
    info_name = None if resolver.info_parameter is None else resolver.info_parameter.name

    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        if info_name is not None:
            arguments[info_name] = info
        return function(source, **arguments) if takes_source else function(**arguments)

    extensions: Any = build_field_extension_resolvers(definition)
    chain: Callable[..., Any] = reduce(lambda inner, outer: partial(outer, inner), extensions, resolve)

    def call(slots: Slots) -> Any:
        run = slots[0]
        return chain(run.root, site.info(run), **site.arguments(run))

    return call


def _changes_arguments(extension: FieldExtension) -> bool:
    return type(extension).map_arguments is not FieldExtension.map_arguments
