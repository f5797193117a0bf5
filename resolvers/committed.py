"""Which payloads of mutations are made from the rows of the change itself, without reading anything again.

A payload that shows relations or computed fields reads them, and then everything, from one snapshot after the commit.
"""

from collections.abc import Iterable, Iterator

from strawberry.types.nodes import FragmentSpread, InlineFragment, SelectedField, Selection

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
    return all(
        field.name in _COLUMNS[parent.name]
        # A mutation that is selected twice under one key is executed once, with both selections.
        for selected in info.selected_fields
        for parent in _fields(selected.selections)
        if parent.name in _COLUMNS
        for field in _fields(parent.selections)
    )


def _fields(selections: Iterable[Selection]) -> Iterator[SelectedField]:
    for selection in selections:
        if isinstance(selection, FragmentSpread | InlineFragment):
            yield from _fields(selection.selections)
        else:
            yield selection
