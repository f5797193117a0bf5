"""Compiles the selections of one operation to functions that complete all objects of a level at once."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLObjectType,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
)
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField

from execution.abstract import Dispatch
from execution.dependence import dependence
from execution.deviation import INTROSPECTION, TOO_LARGE, UNKNOWN, Unsupported
from execution.fragments import Fragments, Place
from execution.kinds import item_type, named, nullable
from execution.leaves import leaf
from execution.module import Module
from execution.objects import ObjectCompiler
from execution.raw import RawValues
from execution.relations import ROW_CLASS
from execution.selections import Fields, Selections
from execution.sites import DEFINITION, Operation, Prepare, Site, Slots, origin_of
from execution.sources import ORDINARY, NeedsWholeRow, Source
from execution.values import Awaiting, Completion, Many, Pure, awaiting_lists, one_list
from execution.versions import FragmentOf

MOST_FIELDS: Final = 500
"""The number of fields beyond which an operation is not compiled. A field of an interface counts for each type."""


class Compiler:
    """Compiles one operation. `prepares` make the values of the slots 1, 2, … when the plan is executed."""

    def __init__(
        self, operation: Operation, selections: Selections, raw: RawValues, fragments: Fragments | None = None
    ) -> None:
        self.module = Module()
        self.prepares: list[Prepare] = []
        self.operation = operation
        self._selections = selections
        self.raw = raw
        self._fragments = fragments
        self.field_count = 0
        self.reads_once = False

    def fields(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Fields:
        """Return the fields that are selected below these nodes. Raises Unsupported when there are too many."""
        found = self._selections.fields(kind, [node.selection_set for node in nodes])
        return self.counted(found)

    def counted(self, fields: Fields) -> Fields:
        """Return the fields, counted. Raises Unsupported when there are too many."""
        self.field_count += len(fields)
        if self.field_count > MOST_FIELDS:
            raise Unsupported(TOO_LARGE)
        return fields

    def slot(self, prepare: Prepare) -> int:
        """Return the index of a value that is made when the plan is executed."""
        self.prepares.append(prepare)
        return len(self.prepares)

    def names_below(self, site: Site) -> frozenset[str]:
        """Return the names of the fields that are selected directly below a field."""
        kind = named(site.type)
        kinds = self.operation.core.get_possible_types(kind) if is_abstract_type(kind) else [kind]
        sets = [node.selection_set for node in site.nodes]
        found = [self._selections.fields(kind, sets) for kind in kinds if is_object_type(kind)]
        names = {nodes[0].name.value for fields in found for nodes in fields.values()}
        return frozenset(name for name in names if not name.startswith("__"))

    def site(self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode], path: Path | None) -> Site:
        """Return a field at one place. Raises Unsupported for introspection and for fields without Strawberry."""
        name = nodes[0].name.value
        if name.startswith("__"):
            raise Unsupported(INTROSPECTION)
        field = kind.fields.get(name)
        if field is None or not isinstance(field.extensions.get(DEFINITION), StrawberryField):
            raise Unsupported(UNKNOWN)
        return Site(self.operation, kind, key, nodes, path)

    def completion(self, kind: Any, site: Site, source: Source = ORDINARY) -> Completion:
        """Return the completion of the values of a type."""
        bare, can_be_null = nullable(kind)
        item = item_type(bare)
        if item is not None:
            return self._lists(self.completion(item, site, source), nullable=can_be_null)
        if is_leaf_type(bare):
            return self._leaves(bare, nullable=can_be_null)
        if is_object_type(bare):
            completion = ObjectCompiler(self, bare, site, source, nullable=can_be_null).completion()
            return self._keeping(completion, bare, site, source)
        if is_abstract_type(bare):
            if source.rows is not None:
                raise NeedsWholeRow
            return self._abstract(bare, site, nullable=can_be_null)
        raise Unsupported(UNKNOWN)

    def _keeping(self, completion: Completion, kind: GraphQLObjectType, site: Site, source: Source) -> Completion:
        """Return the completion that keeps the rendered objects of narrow rows, if the type and its fields allow it.

        Objects without a relation are made faster than they are found.
        """
        of: FragmentOf | None = getattr(origin_of(kind), "fragment_of", None)
        rows = source.rows
        if self._fragments is None or of is None or rows is None or not isinstance(completion, Awaiting):
            return completion
        depends = dependence(self._selections, kind, site.nodes)
        if depends is None:
            return completion
        columns = [rows.index(column) for column in (of.id, of.version, of.moves)]
        place = Place(self._fragments, of, depends, columns)
        return place.keeping(completion, self.slot(place.prepare))

    def _lists(self, inner: Completion, *, nullable: bool) -> Completion:
        if isinstance(inner, Awaiting):
            return Awaiting(awaiting_lists(inner.many, nullable=nullable))
        return self._calling(cache(lambda: one_list(lambda: inner.many, nullable=nullable)))

    def _leaves(self, kind: Any, *, nullable: bool) -> Pure:
        def many() -> Many:
            expression = leaf(self.module, kind, "value", nullable=nullable)
            return self.module.function(["values", "slots"], [f"return [{expression} for value in values]"])

        return Pure(lambda: lambda value: leaf(self.module, kind, value, nullable=nullable), many)

    def _abstract(self, kind: GraphQLAbstractType, site: Site, *, nullable: bool) -> Completion:
        kinds = self.operation.core.get_possible_types(kind)
        possible = {
            each.name: ObjectCompiler(self, each, site, ORDINARY, nullable=False).completion() for each in kinds
        }
        row_classes = {each.name: getattr(origin_of(each), ROW_CLASS, None) for each in kinds}
        names = {row_class: name for name, row_class in row_classes.items() if row_class is not None}
        dispatch = Dispatch(kind, possible, site, self.slot(lambda _: None), nullable=nullable, names=names)
        if all(isinstance(each, Pure) for each in possible.values()):
            return self._calling(lambda: dispatch.one)
        return Awaiting(dispatch.many_awaiting, dispatch.at_once)

    def _calling(self, one: Callable[[], Callable[[Any, Slots], Any]]) -> Pure:
        """Return the completion whose generated code calls a function for each value."""

        def many() -> Many:
            complete = one()
            return lambda values, slots: [complete(value, slots) for value in values]

        def call() -> Callable[[str], str]:
            name = self.module.constant(one())
            return lambda value: f"{name}({value}, slots)"

        return Pure(call, many)
