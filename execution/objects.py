"""Compiles the selections of one object type to functions over all objects of a level."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from graphql import GraphQLEnumType, GraphQLObjectType, OperationType, is_leaf_type
from graphql.language import FieldNode
from strawberry.types.field import StrawberryField

from execution.calls import Call, call
from execution.columns import check_object, completing
from execution.compiling import Compiling
from execution.deviation import NULL, TYPE, deviate
from execution.kinds import item_type, nullable
from execution.leaves import is_specified
from execution.made_objects import MadeRows
from execution.module import literal
from execution.relations import FROM_ROW, NEEDS, RELATION, ROW_CLASS, FromRow, Relation, Selected
from execution.row_values import converted, light_object, made_value
from execution.selections import Fields
from execution.sites import DEFINITION, Prepare, Site, Slots, origin_of
from execution.sources import NarrowRows, NeedsWholeRow, Source, rows_at
from execution.unpacking import unpacking
from execution.values import Awaiting, Column, Completion, Many, Pure, all_of, columns, present


class ObjectCompiler:
    """Compiles the selections of one object type at one place."""

    def __init__(
        self, compiler: Compiling, kind: GraphQLObjectType, site: Site | None, source: Source, *, nullable: bool
    ) -> None:
        self._compiler = compiler
        self._module = compiler.module
        self._kind = kind
        self._site = site
        self._source = source
        self._nullable = nullable
        self._needs: dict[str, None] = {}
        self._columns: list[Column] = []
        self._items: list[str] = []
        self._converted: dict[str, str] = {}
        self._is_only_read = False

    def completion(self) -> Completion:
        """Return the completion of the objects at the site."""
        return self.of_fields(self._compiler.fields(self._kind, [] if self._site is None else self._site.nodes))

    def of_fields(self, fields: Fields) -> Completion:
        """Return the completion of objects with these fields."""
        # The root of a query with one field, besides __typename.
        others = [nodes for nodes in fields.values() if nodes[0].name.value != "__typename"]
        self._is_only_read = self._site is None and len(others) == 1
        for key, nodes in fields.items():
            self._items.append(f"{literal(key)}: {self._value(key, nodes)}")
        display = "{" + ", ".join(self._items) + "}"
        if self._columns:
            return Awaiting(self._awaiting(display))
        return Pure(lambda: self._one(display), lambda: self._many(display))

    def _one(self, display: str) -> Callable[[str], str]:
        one = self._module.function(["o", "slots"], [*self._checked("return None"), f"return {display}"])
        name = self._module.constant(one)
        return lambda value: f"{name}({value}, slots)"

    def _many(self, display: str) -> Many:
        if self._source.rows is not None and not self._nullable:
            return unpacking(self._module, self._light(), display, self._converted)
        return self._module.function(
            ["objects", "slots"],
            [
                "completed = []",
                "add = completed.append",
                "for o in objects:",
                *(f"  {line}" for line in self._checked("add(None); continue")),
                f"  add({display})",
                "return completed",
            ],
        )

    def _awaiting(self, display: str) -> Callable[[Sequence[Any], Slots], Any]:
        names = [f"x{index}" for index in range(len(self._columns))]
        build = self._module.function(
            ["objects", "slots", "columns"],
            [
                "completed = []",
                "add = completed.append",
                f"for {', '.join(['o', *names])} in zip(objects, *columns):",
                *(f"  {line}" for line in self._light()),
                f"  add({display})",
                "return completed",
            ],
        )
        check = self._module.function(
            ["objects", "slots"],
            ["for o in objects:", *(f"  {line}" for line in self._check()), "  pass"],
        )
        found = tuple(self._columns)

        async def complete(objects: Sequence[Any], slots: Slots) -> list[Any]:
            check(objects, slots)
            return build(objects, slots, await columns(found, objects, slots))

        if self._site is None:
            return complete
        can_be_null = self._nullable

        async def many(objects: Sequence[Any], slots: Slots) -> list[Any]:
            return await present(objects, slots, complete, nullable=can_be_null)

        return many

    def _checked(self, null: str) -> list[str]:
        """Return the lines before the display of one object: for null, for a value of another type, and `_light`."""
        lines = [f"if o is None: {null}"] if self._nullable else []
        return [*lines, *self._check(), *self._light()]

    def _check(self) -> list[str]:
        """Return the lines that refuse an object of another type, and null."""
        if self._source.rows is not None:
            return [] if self._nullable else [f"if o is None: deviate({NULL!r})"]
        if self._site is None:
            return []
        origin = origin_of(self._kind)
        if self._kind.is_type_of is not None:
            is_type_of = self._module.constant(self._kind.is_type_of)
            row_class = getattr(origin, ROW_CLASS, None)
            known = "" if row_class is None else f"type(o) is not {self._module.constant(row_class)} and "
            return [f"if {known}not {is_type_of}(o, None): deviate({TYPE!r})"]
        return [f"if type(o) is not {self._module.constant(origin)}: {self._module.constant(check_object)}(o)"]

    def _light(self) -> list[str]:
        """Return the line that makes the object with the attributes that resolvers need of a narrow row."""
        return [f"p = {light_object(self._module, self._source, tuple(self._needs))}"] if self._needs else []

    def _value(self, key: str, nodes: list[FieldNode]) -> str:
        """Return the source of one field's completed value."""
        if nodes[0].name.value == "__typename":
            return literal(self._kind.name)
        site = self._compiler.site(self._kind, key, nodes, None if self._site is None else self._site.path)
        definition = site.definition
        relation: Relation | None = definition.metadata.get(RELATION)
        made_of: FromRow | None = definition.metadata.get(FROM_ROW)
        rows = self._source.rows
        if made_of is not None and rows is not None and rows.computes:
            return self._made_of_columns(site, made_of, rows)
        if relation is not None:
            return self._column(self._relation(site, relation))
        if self._is_basic(definition):
            return self._basic(site)
        return self._resolved(site)

    def _made_of_columns(self, site: Site, made_of: FromRow, rows: NarrowRows) -> str:
        """Return the source of an object made of columns: of its answer at once, unless that takes the whole object."""
        kind = nullable(site.type)[0]
        if isinstance(kind, GraphQLObjectType):
            fields = self._compiler.fields(kind, site.nodes)
            others = [nodes for nodes in fields.values() if nodes[0].name.value != "__typename"]
            names = [kind.fields[nodes[0].name.value].extensions[DEFINITION].python_name for nodes in others]
            made = MadeRows(self._module, rows, made_of, names)
            with suppress(NeedsWholeRow):
                return ObjectCompiler(self._compiler, kind, site, Source(rows=made), nullable=False).inlined(fields)
        return self._completed(
            made_value(self._module, self._source, rows, made_of), self._compiler.completion(site.type, site)
        )

    def inlined(self, fields: Fields) -> str:
        """Return the source of the answer for the row in `o`. Raises NeedsWholeRow if that is no mere expression."""
        items = [f"{literal(key)}: {self._value(key, nodes)}" for key, nodes in fields.items()]
        if self._columns or self._needs:
            raise NeedsWholeRow
        return "{" + ", ".join(items) + "}"

    def _is_basic(self, definition: StrawberryField) -> bool:
        schema = self._compiler.operation.schema
        return definition.is_basic_field and not definition.extensions and not schema.exception_handlers

    def _basic(self, site: Site) -> str:
        if self._source.rows is not None:
            return self._raw(site, self._source.rows)
        value = self._source.read(site.definition.python_name, "o")
        completion = self._compiler.completion(site.type, site, self._source.child(site.name))
        return self._completed(value, completion)

    def _raw(self, site: Site, rows: NarrowRows) -> str:
        """Return the source of a column of a narrow row as an answer."""
        column = site.definition.python_name
        computed = rows.computed(column)
        if computed is not None:
            return self._completed(computed, self._compiler.completion(site.type, site))
        value = self._source.read(column, "o")
        bare, can_be_null = nullable(site.type)
        answer = rows.raw.answers.get(bare.name) if is_leaf_type(bare) else None
        if answer is not None:
            inline = rows.raw.inline.get(bare.name)
            if inline is not None:
                shown = inline(value, self._module.constant(answer))
                shown = f"(None if {value} is None else {shown})" if can_be_null else f"({shown})"
                self._converted[shown] = value
                return shown
            null = "None" if can_be_null else f"deviate({NULL!r})"
            return f"({null} if (t := {value}) is None else {self._module.constant(answer)}(t))"
        if not is_leaf_type(bare) and item_type(bare) is None:
            raise NeedsWholeRow
        if is_specified(bare) and rows.is_exact(column, bare.name, nullable=can_be_null):
            return value
        if not isinstance(bare, GraphQLEnumType) and not is_specified(bare):
            value = converted(self._module, value, rows.converter(column))
        return self._completed(value, self._compiler.completion(site.type, site))

    def _resolved(self, site: Site) -> str:
        call_on, parent = self._call(site)
        completion = self._compiler.completion(site.type, site, self._source.child(site.name))
        if not site.definition.is_async:
            if self._source.rows is not None:
                self._needs.update(dict.fromkeys(site.definition.metadata[NEEDS]))
                return self._completed(call_on("p"), completion)
            return self._completed(call_on("o"), completion)
        values = self._module.function(["objects", "slots"], [f"return [{call_on(parent)} for o in objects]"])

        async def resolve(objects: Sequence[Any], slots: Slots) -> list[Any]:
            return await all_of(values(objects, slots))

        return self._column(completing(resolve, completion))

    def _call(self, site: Site) -> tuple[Call, str]:
        """Return the source of a resolver's call by that of its parent, and the source of the parent in a list."""
        parent = "o"
        if self._source.rows is not None:
            needs: tuple[str, ...] | None = site.definition.metadata.get(NEEDS)
            if needs is None:
                raise NeedsWholeRow
            # Reads the columns now, because the rows are loaded with those that are known after compiling.
            made = light_object(self._module, self._source, needs)
            parent = made if site.definition.is_async else "p"
        return call(self._module, self._compiler.operation, site, self._slot), parent

    def _slot(self, prepare: Prepare) -> str:
        return f"slots[{self._compiler.slot(prepare)}]"

    def _completed(self, value: str, completion: Completion) -> str:
        if isinstance(completion, Pure):
            return completion.one(value)
        lines = [
            "found = []",
            "for o in objects:",
            *(f"  {line}" for line in self._light()),
            f"  found.append({value})",
        ]
        values = self._module.function(["objects", "slots"], [*lines, "return found"])

        async def read(objects: Sequence[Any], slots: Slots) -> list[Any]:
            return values(objects, slots)

        return self._column(completing(read, completion))

    def _column(self, column: Column) -> str:
        self._columns.append(column)
        return f"x{len(self._columns) - 1}"

    def _relation(self, site: Site, relation: Relation) -> Column:
        completion, chosen = self._of_relation(site, relation)
        needs = "".join(f"{self._source.read(column, 'o')}, " for column in relation.needs)
        parents = self._module.function(["objects"], [f"return [({needs}) for o in objects]"])
        constant = site.constant_arguments if site.takes_arguments else {}
        index = self._compiler.slot(site.arguments) if constant is None else 0
        load = relation.load

        async def resolve(objects: Sequence[Any], slots: Slots) -> Sequence[Any]:
            arguments = slots[index] if constant is None else constant
            values = await load(slots[0].context, parents(objects), arguments, chosen)
            return values if len(values) == len(objects) else deviate(TYPE)

        return completing(resolve, completion)

    def _of_relation(self, site: Site, relation: Relation) -> tuple[Completion, Selected]:
        """Return the completion of a relation's values and what is selected: of narrow rows if that is possible."""
        selected = self._compiler.names_below(site)
        if relation.row is not None:
            is_query = self._compiler.operation.node.operation is OperationType.QUERY
            computes = relation.computes and is_query
            rows = NarrowRows(relation.row, self._compiler.raw, is_table=relation.is_table, computes=computes)
            try:
                completion = self._compiler.completion(site.type, site, rows_at(rows, relation.rows_at))
            except NeedsWholeRow:
                pass
            else:
                is_only_read = self._is_only_read and isinstance(completion, Pure)
                self._compiler.reads_once = is_only_read
                return completion, Selected(rows.columns, selected, is_only_read)
        return self._compiler.completion(site.type, site), Selected((), selected)
