"""The fields that the document of a subscription selects of its messages."""

from collections.abc import Iterator, Sequence

from strawberry.types.nodes import SelectedField, Selection

OTHER_MESSAGES = frozenset({"JobEvent", "JobSnapshot"})
# Relations are read for each message, so they may be newer than the scene, which the hub reads for all subscribers.
RELATIONS_OF_SCENE = frozenset({"job", "currentTake", "takes"})


def reads_relations(feed: Sequence[Selection]) -> bool:
    """Return whether `SceneProgress.scene` is selected with a relation, by the selected fields of the subscription."""
    return any(
        field.name == "scene" and any(each.name in RELATIONS_OF_SCENE for each in _fields(field.selections))
        for messages in feed
        for field in _fields(messages.selections)
    )


def _fields(selections: Sequence[Selection]) -> Iterator[SelectedField]:
    """Yield the selected fields, with those of fragments that may apply to SceneProgress."""
    for selection in selections:
        if isinstance(selection, SelectedField):
            yield selection
        elif selection.type_condition not in OTHER_MESSAGES:
            yield from _fields(selection.selections)
