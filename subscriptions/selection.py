"""The fields that the document of a subscription selects of its messages."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from strawberry.types.nodes import SelectedField, Selection

MESSAGES = frozenset({"JobEvent", "JobSnapshot", "SceneProgress"})
# Relations are read for each message, so they may be newer than the scene, which the hub reads for all subscribers.
RELATIONS_OF_SCENE = frozenset({"job", "currentTake", "takes"})
# The fields of JobProgress that are not made of its row.
READS_OF_PROGRESS = frozenset({"etaSeconds"})


class SelectedMessages(NamedTuple):
    """What the messages of a job's event stream read besides their own rows."""

    relations_of_scenes: bool
    """Whether `SceneProgress.scene` is selected with a relation."""
    job_of_snapshots: bool
    """Whether `JobSnapshot.job` is selected."""


def selected_messages(feed: Sequence[Selection]) -> SelectedMessages:
    """Return what the selected fields of the subscription read."""
    return SelectedMessages(
        any(
            field.name == "scene"
            and any(each.name in RELATIONS_OF_SCENE for each in _fields(field.selections, "SceneProgress"))
            for field in _fields_of(feed, "SceneProgress")
        ),
        any(field.name == "job" for field in _fields_of(feed, "JobSnapshot")),
    )


def reads_more_than_progress(progress: Sequence[Selection]) -> bool:
    """Return whether a field of JobProgress is selected that reads by itself, by those of the subscription."""
    return any(field.name in READS_OF_PROGRESS for field in _fields_of(progress, "JobProgress"))


def _fields_of(roots: Sequence[Selection], message: str) -> Iterator[SelectedField]:
    """Yield the fields that are selected of this type of messages, by the root fields of the subscription."""
    for root in roots:
        yield from _fields(root.selections, message)


def _fields(selections: Sequence[Selection], message: str) -> Iterator[SelectedField]:
    """Yield the selected fields, with those of fragments that may apply to this type of messages."""
    for selection in selections:
        if isinstance(selection, SelectedField):
            yield selection
        elif selection.type_condition not in MESSAGES - {message}:
            yield from _fields(selection.selections, message)
