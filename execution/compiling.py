"""What the compiler of an operation offers to those of its parts."""

from collections.abc import Sequence
from typing import Any, Protocol

from graphql import GraphQLObjectType
from graphql.language import FieldNode
from graphql.pyutils import Path

from execution.module import Module
from execution.raw import RawValues
from execution.selections import Fields
from execution.sites import Operation, Prepare, Site
from execution.sources import ORDINARY, Source
from execution.values import Completion


class Compiling(Protocol):
    """The compiler of the operation."""

    module: Module
    operation: Operation
    raw: RawValues
    reads_once: bool
    """Whether the operation reads by one statement."""

    def fields(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Fields:
        """Return the fields that are selected below these nodes."""
        ...

    def slot(self, prepare: Prepare) -> int:
        """Return the index of a value that is made when the plan is executed."""
        ...

    def site(self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode], path: Path | None) -> Site:
        """Return a field at one place."""
        ...

    def completion(self, kind: Any, site: Site, source: Source = ORDINARY) -> Completion:
        """Return the completion of the values of a type."""
        ...

    def names_below(self, site: Site) -> frozenset[str]:
        """Return the names of the fields that are selected directly below a field."""
        ...
