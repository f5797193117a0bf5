"""The root fields of mutations, which are executed one after another, and of subscriptions."""

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from graphql import FieldNode, GraphQLObjectType

from execution.compiler import Compiler
from execution.direct import direct_call
from execution.module import literal
from execution.sites import Site, Slots
from execution.values import LATER, Awaiting, Completion, Pure


class Step:
    """One root field; a field without `call` is __typename."""

    def __init__(self, key: str, call: Callable[[Slots], Any] | None, completion: Completion | None, name: str) -> None:
        self.key = key
        self._call = call
        self._completion = completion
        self._name = name

    async def execute(self, slots: Slots, results: dict[str, Any]) -> Any:
        """Call the resolver and return the completed result; keep the result, or the error, in `results`."""
        if self._call is None:
            return self._name
        try:
            called = self._call(slots)
            result = await called if isawaitable(called) else called
        except Exception as error:
            results[self.key] = error
            raise
        results[self.key] = result
        return await self.complete(result, slots)

    async def complete(self, value: Any, slots: Slots) -> Any:
        """Return the completed value of the field."""
        if isinstance(self._completion, Awaiting) and not isinstance(value, Exception):
            return (await self._completion.many([value], slots))[0]
        return self.complete_at_once(value, slots)

    def complete_at_once(self, value: Any, slots: Slots) -> Any:
        """Return the completed value of the field; LATER if its completion awaits."""
        completion = self._completion
        if completion is None:
            return self._name
        if isinstance(value, Exception):
            raise value
        if isinstance(completion, Pure):
            return completion.many([value], slots)[0]
        return LATER if completion.at_once is None else completion.at_once(value, slots)


def step(compiler: Compiler, root: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Step:
    """Compile one root field. Raises Unsupported."""
    literal(key)
    if nodes[0].name.value == "__typename":
        return Step(key, None, None, root.name)
    site = compiler.site(root, key, nodes, None)
    completion = compiler.completion(site.type, site)
    return Step(key, direct_call(compiler.operation.schema, site) or _calling(site), completion, root.name)


def _calling(site: Site) -> Callable[[Slots], Any]:
    """Return the call as graphql-core would make it."""

    def call(slots: Slots) -> Any:
        run = slots[0]
        return site.resolve(run.root, site.raw_info(run), **site.raw_arguments(run))

    return call
