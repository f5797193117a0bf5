"""The source of calls of resolvers."""

from collections.abc import Callable

from strawberry.types.info import Info

from execution.deviation import UNKNOWN, Unsupported
from execution.module import Module
from execution.sites import Operation, Prepare, Site

Slot = Callable[[Prepare], str]
"""Returns the source that reads a value which is made when the plan is executed."""

Call = Callable[[str], str]
"""Returns the source of a call from that of the parent object."""


def call(module: Module, operation: Operation, site: Site, slot: Slot) -> Call:
    """Return the call of a field's resolver: the Python function itself, unless Strawberry has more to do."""
    definition = site.definition
    resolver = site.resolver
    schema = operation.schema
    if resolver is None or definition.extensions or schema.exception_handlers or schema.config.info_class is not Info:
        return _call_of_strawberry(module, site, slot)
    given: list[str] = []
    if resolver.info_parameter is not None:
        given.append(f"{_parameter(resolver.info_parameter.name)}={slot(site.info)}")
    if site.takes_arguments:
        constant = site.constant_arguments
        given.append("**" + (slot(site.arguments) if constant is None else module.constant(constant)))
    parents = [each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each is not None]
    positional = [""] if resolver.self_parameter is not None else []
    prefixes = [*positional, *(f"{_parameter(name)}=" for name in dict.fromkeys(parents))]
    function = module.constant(resolver.wrapped_func)
    return lambda parent: f"{function}({', '.join([*(prefix + parent for prefix in prefixes), *given])})"


def _call_of_strawberry(module: Module, site: Site, slot: Slot) -> Call:
    """Return the call as graphql-core would make it, with the field's extensions."""
    function = module.constant(site.resolve)
    given = f", {slot(site.raw_info)}"
    if site.takes_arguments:
        given += f", **{slot(site.raw_arguments)}"
    return lambda parent: f"{function}({parent}{given})"


def _parameter(name: str) -> str:
    """Return the name of a parameter of a Python function, to be written into the source."""
    if not name.isidentifier():
        raise Unsupported(UNKNOWN)
    return name
