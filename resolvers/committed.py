"""Which payloads of mutations are made from the rows of the change itself, without reading anything again.

A payload that shows relations or computed fields reads them, and then everything, from one snapshot after the commit.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionSetNode,
)

from execution.sites import SiteInfo
from schema.context import Info

_OF_BOTH = frozenset(
    [
        "__typename",
        "id",
        "title",
        "provider",
        "status",
        "version",
        "createdAt",
        "updatedAt",
        "startedAt",
        "finishedAt",
        "deletedAt",
        "purgeAfter",
    ]
)
# Not metadata: a number may be read back as another one.
_COLUMNS = {
    "scene": _OF_BOTH
    | frozenset(
        ["jobId", "position", "prompt", "durationSeconds", "percentage", "providerId", "attempts", "maxAttempts"]
    )
    | {"nextAttemptAt"},
    "job": _OF_BOTH | {"ownerId"},
}


def shows_columns_only(info: Info) -> bool:
    """Whether the operation selects nothing of the scene and the job in this payload but columns of their rows."""
    return info.once(_selects_columns_only) if isinstance(info, SiteInfo) else _selects_columns_only(info)


def _selects_columns_only(info: Info | SiteInfo) -> bool:
    # Not `info.selected_fields`, which also converts every argument.
    raw = cast("GraphQLResolveInfo[Any]", info._raw_info)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType] # there is no other access
    return all(
        field.name.value in _COLUMNS[parent.name.value]
        # A mutation that is selected twice under one key is executed once, with both selections.
        for selected in raw.field_nodes
        for parent in _fields(selected.selection_set, raw.fragments)
        if parent.name.value in _COLUMNS
        for field in _fields(parent.selection_set, raw.fragments)
    )


def _fields(selected: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    for selection in () if selected is None else selected.selections:
        if isinstance(selection, FieldNode):
            yield selection
        elif isinstance(selection, FragmentSpreadNode):
            yield from _fields(fragments[selection.name.value].selection_set, fragments)
        elif isinstance(selection, InlineFragmentNode):
            yield from _fields(selection.selection_set, fragments)
