"""The completion of interfaces and unions: each value by its own object type."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLAbstractType, default_type_resolver  # pyright: ignore[reportUnknownVariableType] # an open generic

from execution.deviation import NULL, TYPE, deviate
from execution.sites import Site, Slots
from execution.values import LATER, Completion, Pure, all_of


class Dispatch:
    """Completes values of an abstract type. `possible` are the completions by the name of the object type."""

    def __init__(
        self,
        kind: GraphQLAbstractType,
        possible: Mapping[str, Completion],
        site: Site,
        info_slot: int,
        *,
        nullable: bool,
        names: Mapping[type, str],
    ) -> None:
        """`info_slot`: where the Info is kept; None until it is made. `names` are those of the object types by the
        class of their values, as far as that decides."""
        self._kind = kind
        self._possible: Mapping[str, Any] = possible
        self._site = site
        self._info_slot = info_slot
        self._nullable = nullable
        self._names = names
        self._resolve_type: Any = kind.resolve_type or default_type_resolver

    def one(self, value: Any, slots: Slots) -> Any:
        """Complete one value; only if no completion awaits."""
        if value is None:
            return None if self._nullable else deviate(NULL)
        return self._possible[self._name(value, slots)].many([value], slots)[0]

    def at_once(self, value: Any, slots: Slots) -> Any:
        """Complete one value; LATER if its completion awaits."""
        if value is None:
            return self.one(value, slots)
        completion = self._possible[self._name(value, slots)]
        return completion.many([value], slots)[0] if isinstance(completion, Pure) else LATER

    async def many_awaiting(self, values: Sequence[Any], slots: Slots) -> list[Any]:
        """Complete values, those of one type together."""
        positions: dict[str, list[int]] = {}
        for position, value in enumerate(values):
            if value is not None:
                positions.setdefault(self._name(value, slots), []).append(position)
            elif not self._nullable:
                deviate(NULL)
        completed: list[Any] = [None] * len(values)
        groups = await all_of(
            [self._group([values[each] for each in at], name, slots) for name, at in positions.items()]
        )
        for at, group in zip(positions.values(), groups, strict=True):
            for position, value in zip(at, group, strict=True):
                completed[position] = value
        return completed

    async def _group(self, values: Sequence[Any], name: str, slots: Slots) -> list[Any]:
        completion = self._possible[name]
        return completion.many(values, slots) if isinstance(completion, Pure) else await completion.many(values, slots)

    def _name(self, value: Any, slots: Slots) -> str:
        known = self._names.get(type(value))  # pyright: ignore[reportUnknownArgumentType] # of any value
        if known is not None:
            return known
        if isinstance(value, Exception):
            raise value
        info = slots[self._info_slot]
        if info is None:
            info = slots[self._info_slot] = self._site.raw_info(slots[0])
        name = self._resolve_type(value, info, self._kind)
        return name if isinstance(name, str) and name in self._possible else deviate(TYPE)
