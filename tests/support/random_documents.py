"""Random GraphQL documents for a schema: nearly all valid, with variables that are sometimes wrong."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_object_type,
    parse,
    validate,
)

DEPTH = 5
BAD: list[Any] = ["wrong", -(2**40), {"a": 1}, [[]], 1.5, None]


class RandomDocument(NamedTuple):
    """A document and the variables to send with it."""

    text: str
    variables: dict[str, Any]


class RandomDocuments:
    """Makes documents. `values` are the values for arguments by the name of their type; enums and booleans have own
    ones. `without` are fields that are never selected, as "Type.field"."""

    def __init__(
        self,
        schema: GraphQLSchema,
        seed: int | str,
        values: Mapping[str, Sequence[Any]],
        without: frozenset[str] = frozenset(),
        kind: str = "query",
    ) -> None:
        self._schema = schema
        self._random = random.Random(seed)
        self._values = values
        self._without = without
        self._kind = kind

    def document(self) -> RandomDocument:
        """Return the next valid document."""
        while True:
            found = self._attempt()
            if not validate(self._schema, parse(found.text)):
                return found

    def _attempt(self) -> RandomDocument:
        self._fragments: list[str] = []
        self._variables: dict[str, str] = {}
        self._given: dict[str, Any] = {}
        self._aliases = 0
        root = {
            "query": self._schema.query_type,
            "mutation": self._schema.mutation_type,
            "subscription": self._schema.subscription_type,
        }[self._kind]
        if self._kind == "subscription":
            selection = f"{{ {self._field(root, self._chosen(root), DEPTH)} }}"
        else:
            selection = self._selections(root, DEPTH, root=True)
        declared = ", ".join(self._variables.values())
        head = f"{self._kind} Q({declared})" if declared else self._kind
        return RandomDocument("\n".join([f"{head} {selection}", *self._fragments]), self._given)

    def _selections(self, kind: Any, depth: int, *, root: bool = False) -> str:
        count = self._random.choice([1, 1, 2] if root else [1, 2, 3, 4])
        parts = [self._selection(kind, depth) for _ in range(count)]
        if self._random.random() < 0.15:
            parts.append(self._random.choice(parts))
        return f"{{ {' '.join(parts)} }}"

    def _selection(self, kind: Any, depth: int) -> str:
        chance = self._random.random()
        if chance < 0.08:
            return f"{self._alias()}__typename{self._condition()}"
        if chance < 0.35 and depth > 0 and kind is not self._schema.mutation_type:
            return self._fragment(kind, depth)
        if not getattr(kind, "fields", None):
            return self._fragment(kind, depth) if depth > 0 else "__typename"
        return self._field(kind, self._chosen(kind), depth)

    def _fragment(self, kind: Any, depth: int) -> str:
        conditions: list[Any] = [kind]
        if is_abstract_type(kind):
            conditions += [*self._schema.get_possible_types(kind)] * 2
        elif is_object_type(kind):
            conditions += [*kind.interfaces]
        condition = self._random.choice(conditions)
        selections = self._selections(condition, depth - 1)
        if self._random.random() < 0.5:
            on = "" if condition is kind and self._random.random() < 0.3 else f" on {condition.name}"
            return f"...{on}{self._condition()} {selections}"
        name = f"F{len(self._fragments)}"
        self._fragments.append(f"fragment {name} on {condition.name} {selections}")
        return f"...{name}{self._condition()}"

    def _chosen(self, kind: Any) -> str:
        names = [name for name in kind.fields if f"{kind.name}.{name}" not in self._without]
        return self._random.choice(names)

    def _field(self, kind: Any, name: str, depth: int) -> str:
        field = kind.fields[name]
        inner = cast("Any", get_named_type(field.type))
        if is_composite_type(inner) and depth <= 0:
            return "__typename"
        arguments = self._arguments(field.args)
        alias = self._alias() if arguments or self._random.random() < 0.3 else ""
        selections = f" {self._selections(inner, depth - 1)}" if is_composite_type(inner) else ""
        condition = "" if self._kind == "subscription" and kind is self._schema.subscription_type else self._condition()
        return f"{alias}{name}{arguments}{condition}{selections}"

    def _alias(self) -> str:
        if self._random.random() < 0.2:
            return ""
        self._aliases += 1
        return f"a{self._aliases}: "

    def _condition(self) -> str:
        if self._random.random() > 0.15:
            return ""
        name = self._random.choice(["skip", "include"])
        if self._random.random() < 0.5:
            return f" @{name}(if: {self._random.choice(['true', 'false'])})"
        variable = f"v{len(self._variables)}"
        default = self._random.choice(["Boolean!", "Boolean! = true", "Boolean = false"])
        self._variables[variable] = f"${variable}: {default}"
        if default == "Boolean!" or self._random.random() < 0.5:
            self._given[variable] = self._random.choice([True, False])
        return f" @{name}(if: ${variable})"

    @staticmethod
    def _bare(kind: Any) -> Any:
        return _inner(kind) if isinstance(kind, GraphQLNonNull) else kind

    def _arguments(self, arguments: Mapping[str, Any]) -> str:
        given: list[str] = []
        for name, argument in arguments.items():
            if _required(argument) or self._random.random() < 0.4:
                given.append(f"{name}: {self._argument(argument.type)}")
        return f"({', '.join(given)})" if given else ""

    def _argument(self, kind: Any) -> str:
        if self._random.random() < 0.6:
            return self._literal(kind, self._value(kind))
        variable = f"v{len(self._variables)}"
        value = self._value(kind)
        default = f" = {self._literal(kind, value)}" if value is not None and self._random.random() < 0.3 else ""
        self._variables[variable] = f"${variable}: {kind}{default}"
        if isinstance(kind, GraphQLNonNull) or self._random.random() < 0.7:
            self._given[variable] = self._random.choice(BAD) if self._random.random() < 0.08 else self._value(kind)
        return f"${variable}"

    def _value(self, kind: Any) -> Any:
        kind = self._bare(kind)
        if isinstance(kind, GraphQLList):
            return [self._value(_inner(kind)) for _ in range(self._random.choice([0, 1, 2]))]
        if isinstance(kind, GraphQLEnumType):
            return self._random.choice(list(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            fields: Mapping[str, Any] = kind.fields
            chosen = [name for name, field in fields.items() if _required(field) or self._random.random() < 0.4]
            return {name: self._value(fields[name].type) for name in chosen}
        if kind.name == "Boolean":
            return self._random.choice([True, False])
        return self._random.choice(self._values[kind.name])

    def _literal(self, kind: Any, value: Any) -> str:
        bare = self._bare(kind)
        if value is None:
            return "null"
        if isinstance(bare, GraphQLList):
            return f"[{', '.join(self._literal(_inner(bare), each) for each in value)}]"
        if isinstance(bare, GraphQLEnumType):
            return value
        if isinstance(bare, GraphQLInputObjectType):
            fields: Mapping[str, Any] = bare.fields
            inner = ", ".join(f"{name}: {self._literal(fields[name].type, each)}" for name, each in value.items())
            return f"{{{inner}}}"
        if isinstance(value, dict):
            fields_of_json = cast("dict[str, Any]", value)
            return "{" + ", ".join(f"{key}: {json.dumps(each)}" for key, each in fields_of_json.items()) + "}"
        return json.dumps(value)


def _inner(kind: Any) -> Any:
    return kind.of_type


def _required(argument: Any) -> bool:
    return isinstance(argument.type, GraphQLNonNull) and argument.default is None
