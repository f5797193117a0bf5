"""The rendered objects of answers, kept by their version (docs/decisions/0019-fragments-by-version.md)."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from execution.comparable import comparable_values
from execution.dependence import Dependence
from execution.exact import exact
from execution.sites import Run, Slots
from execution.values import Awaiting, ManyAsync
from execution.versions import FragmentOf

BYTES_OF_ENTRY: Final = 600
"""An estimate of the memory that an entry takes besides its JSON."""

Key = tuple[Hashable, ...]


class Entry(NamedTuple):
    """A rendered object in one state."""

    state: Hashable
    fragment: orjson.Fragment
    bytes: int


class Fragments:
    """The rendered objects of one server: one state of each, the least recently used of which are forgotten.

    `hits` and `misses` count look-ups.
    """

    def __init__(self, most_bytes: int, scope: Callable[[Any], Hashable]) -> None:
        """`scope` returns, from the context of an operation, by which viewer and with which rights it is made."""
        self.scope = scope
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._places = count(1)

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._entries)

    def place(self) -> int:
        """Return a number for one place in one plan."""
        return next(self._places)

    def clear(self) -> None:
        """Forget all objects."""
        self._entries.clear()
        self.bytes = 0

    def get(self, key: Key, state: Hashable) -> orjson.Fragment | None:
        """Return the rendered object if it is kept in this state."""
        entry = self._entries.get(key)
        if entry is None or entry.state != state:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry.fragment

    def put(self, key: Key, state: Hashable, value: object) -> object:
        """Keep an object; return it rendered. One that orjson cannot encode is returned as it is."""
        try:
            encoded = exact(orjson.dumps(value))
        except TypeError:
            return value
        former = self._entries.pop(key, None)
        self.bytes -= 0 if former is None else former.bytes
        size = len(encoded) + BYTES_OF_ENTRY
        fragment = orjson.Fragment(encoded)
        if size <= self._most_bytes:
            self._entries[key] = Entry(state, fragment, size)
            self.bytes += size
        while self.bytes > self._most_bytes:
            self.bytes -= self._entries.popitem(last=False)[1].bytes
        return fragment


class Place:
    """The objects of one type at one place in a plan."""

    def __init__(self, fragments: Fragments, of: FragmentOf, depends: Dependence, columns: Sequence[int]) -> None:
        """`columns` are the indices of the id, the version and `FragmentOf.moves` in the rows."""
        self._fragments = fragments
        self._of = of
        self._depends = depends
        self._place = fragments.place()
        self._keys = tuple(depends.keys)
        self._read = itemgetter(*columns)

    def prepare(self, run: Run) -> Key | None:
        """Return the part of the keys that is equal for all objects of one execution; None if it cannot be compared."""
        variables = comparable_values(run.variables.coerced, self._depends.variables)
        if variables is None:
            return None
        context = run.context
        further = tuple(key(context) for key in self._keys)
        return (self._place, self._fragments.scope(context), variables, further)

    def keeping(self, completion: Awaiting, slot: int) -> Awaiting:
        """Return the completion that takes kept objects; the key of the execution is in the slot with this index."""
        complete = completion.many

        async def many(objects: Sequence[Any], slots: Slots) -> list[Any]:
            key: Key | None = slots[slot]
            if key is None:
                return await complete(objects, slots)
            return await self._complete(complete, objects, slots, key)

        return Awaiting(many)

    async def _complete(self, complete: ManyAsync, objects: Sequence[Any], slots: Slots, key: Key) -> list[Any]:
        states = await self._states(objects, slots[0].context)
        get = self._fragments.get
        found: list[Any] = [None if each is None else get((key, each[0]), each) for each in states]
        missing = [index for index, each in enumerate(found) if each is None]
        if missing:
            made = await complete([objects[index] for index in missing], slots)
            for index, value in zip(missing, made, strict=True):
                state = states[index]
                found[index] = value if state is None else self._fragments.put((key, state[0]), state, value)
        return found

    async def _states(self, objects: Sequence[Any], context: Any) -> list[tuple[str, int, Hashable] | None]:
        """Return of each object its id, its version and what moves below it; None for null."""
        read = self._read
        rows: list[Any] = [None if each is None else read(each) for each in objects]
        if not self._depends.moving:
            return [None if row is None else (row[0], row[1], None) for row in rows]
        ids = [row[0] for row in rows if row is not None and row[2]]
        moving: Mapping[str, Hashable] = await self._of.moving(context, ids) if ids else {}
        return [None if row is None else (row[0], row[1], moving[row[0]] if row[2] else None) for row in rows]
