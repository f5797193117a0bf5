"""The source of expressions that complete scalars and enums, as graphql-core would."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from graphql import GraphQLEnumType, GraphQLLeafType, Undefined, specified_scalar_types

from execution.deviation import NULL, TYPE, deviate
from execution.module import Module

_TESTS: Final = {
    "String": "type(t) is str",
    "ID": "type(t) is str",
    "Boolean": "type(t) is bool",
    "Int": "type(t) is int and -2147483648 <= t <= 2147483647",
    # An infinite number or NaN minus itself is NaN.
    "Float": "type(t) is float and t - t == 0.0",
}
"""For each scalar of the specification: when a value, which is in `t`, is answered as it is."""

_NAME: Final = re.compile(r"\bt\b")

SIMPLE: Final = re.compile(r"\w+(\[\d+\])?")
"""A local variable or an item of a row, which costs less to read again than to keep in another variable."""


def leaf(module: Module, kind: GraphQLLeafType, value: str, *, nullable: bool) -> str:
    """Return the source of the answer for a value, which is given as source. It uses the local variable `t`."""
    if isinstance(kind, GraphQLEnumType):
        return f"{module.constant(_Names(kind, nullable=nullable))}[{value}]"
    complete = module.constant(completion(kind, nullable=nullable))
    test = _TESTS.get(kind.name) if is_specified(kind) else None
    if test is None:
        return f"{complete}({value})"
    if SIMPLE.fullmatch(value):
        name, answered = value, _NAME.sub(value, test)
    else:
        name, answered = "t", test.replace("type(t)", f"type(t := {value})", 1)
    otherwise = f"None if {name} is None else {complete}({name})" if nullable else f"{complete}({name})"
    return f"({name} if {answered} else {otherwise})"


def is_specified(kind: object) -> bool:
    """Return whether a type is a scalar of the specification, rather than one that replaces it by its name."""
    return any(kind is each for each in specified_scalar_types.values())


def completion(kind: GraphQLLeafType, *, nullable: bool) -> Callable[[Any], Any]:
    """Return the function that completes a value of a leaf type. It raises Deviation or what the type raises."""
    coerce = kind.coerce_output_value

    def complete(value: Any) -> Any:
        if value is None or value is Undefined:
            return None if nullable else deviate(NULL)
        if isinstance(value, Exception):
            raise value
        answer = coerce(value)
        if answer is None or answer is Undefined:
            deviate(TYPE)
        return answer

    return complete


class _Names(dict[Any, str | None]):
    """The names of an enum's values, by member and by the member's value."""

    def __init__(self, kind: GraphQLEnumType, *, nullable: bool) -> None:
        super().__init__({value.value: name for name, value in kind.values.items()})
        self._complete = completion(kind, nullable=nullable)
        if nullable:
            self[None] = None
        members: Iterable[Any] = getattr(kind, "wrapped_cls", ())  # Strawberry's enum types have it
        self.update({member: self._complete(member) for member in members})

    def __missing__(self, value: Any) -> Any:
        return self._complete(value)
