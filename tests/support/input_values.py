"""Values of input types of a schema: with everything, with as little as possible, and with nulls."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLList, GraphQLNonNull, Undefined

Leaf = Callable[[Any], Any]
"""Returns a value of a scalar or an enum."""

DEEPEST = 4


def values_of(kind: Any, leaf: Leaf, depth: int = 0) -> Iterator[Any]:
    """Yield values of a type; of input objects, and lists of them, several."""
    if isinstance(kind, GraphQLNonNull):
        yield from values_of(_inner(kind), leaf, depth)
    elif isinstance(kind, GraphQLList):
        items = list(islice(values_of(_inner(kind), leaf, depth), 3))
        yield items
        yield []
        if not isinstance(_inner(kind), GraphQLNonNull):
            yield [None, *items]
    elif isinstance(kind, GraphQLInputObjectType):
        yield from _objects(kind, leaf, depth)
    else:
        yield leaf(kind)


def _objects(kind: GraphQLInputObjectType, leaf: Leaf, depth: int) -> Iterator[dict[str, Any]]:
    fields: Mapping[str, Any] = kind.fields
    required = {name: each for name, each in fields.items() if isinstance(each.type, GraphQLNonNull)}
    if depth < DEEPEST:
        yield {name: next(values_of(each.type, leaf, depth + 1)) for name, each in fields.items()}
    without_default = [name for name, each in required.items() if each.default_value is Undefined]
    least = {name: next(values_of(fields[name].type, leaf, depth + 1)) for name in without_default}
    yield least
    yield least | {name: None for name in fields if name not in required}


def _inner(kind: Any) -> Any:
    return kind.of_type
