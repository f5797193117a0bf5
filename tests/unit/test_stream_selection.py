"""What the messages of streams read, by the fields that a document selects of them."""

from typing import Any, cast

import pytest
from graphql import FieldNode, OperationDefinitionNode, parse
from strawberry.types import get_object_definition

from schema.progress import JobProgress
from server.transports.shared.selection import selection
from subscriptions.selection import READS_OF_PROGRESS, SelectedMessages, reads_more_than_progress, selected_messages
from tests.support.plain_ids import plain_text


def root(text: str) -> FieldNode:
    """The root field of the first operation."""
    operation = next(each for each in parse(text).definitions if isinstance(each, OperationDefinitionNode))
    (field,) = operation.selection_set.selections
    assert isinstance(field, FieldNode)
    return field


EVENTS = {
    "__typename": (False, False),
    "... on JobSnapshot { version reason }": (False, False),
    "... on JobSnapshot { job { id } }": (False, True),
    "... on JobSnapshot { j: job { id } }": (False, True),
    "... on JobSnapshot { job @include(if: $yes) { id } }": (False, True),
    "... on JobFeedMessage { ... on JobSnapshot { job { id } } }": (False, True),
    "... { ... on JobSnapshot { ... { job { id } } } }": (False, True),
    "...Snapshot": (False, True),
    "... on JobEvent { job { id } scene { takes { id } } }": (False, False),
    "... on SceneProgress { scene { id title } }": (False, False),
    "... on SceneProgress { scene { ...Taken } }": (True, False),
    "... on SceneProgress { scene { takes { id } } } ... on JobSnapshot { job { id } }": (True, True),
}
FRAGMENTS = """
fragment Snapshot on JobSnapshot { ...Inner }
fragment Inner on JobSnapshot { job { title } }
fragment Taken on Scene { currentTake { id } }
"""


@pytest.mark.parametrize("selected", EVENTS, ids=plain_text)
def test_events_read_what_is_selected_of_their_kind(selected: str) -> None:
    text = f"subscription($yes: Boolean!) {{ jobEvents(jobId: 1) {{ {selected} }} }} {FRAGMENTS}"
    assert selected_messages(selection(parse(text), root(text))) == SelectedMessages(*EVENTS[selected])


@pytest.mark.parametrize(
    ("selected", "reads"),
    [
        ("version percentage stageLabel updatedAt id jobId", False),
        ("version etaSeconds", True),
        ("left: etaSeconds @skip(if: $no)", True),
        ("... on JobProgress { ...Left }", True),
    ],
    ids=plain_text,
)
def test_progress_reads_more_only_for_what_is_not_in_its_row(selected: str, *, reads: bool) -> None:
    fragment = "fragment Left on JobProgress { etaSeconds }"
    text = f"subscription($no: Boolean!) {{ jobProgress(jobId: 1) {{ {selected} }} }} {fragment}"
    assert reads_more_than_progress(selection(parse(text), root(text))) is reads


def test_fields_that_read_more_than_the_row_are_known() -> None:
    """A field with a resolver that waits reads; one of these that is not known would show another moment."""
    fields = get_object_definition(JobProgress, strict=True).fields
    resolvers = {field.python_name: cast("Any", field).base_resolver for field in fields}
    waiting = {name for name, resolver in resolvers.items() if resolver is not None and resolver.is_async}
    assert waiting == {"eta_seconds"}
    assert frozenset({"etaSeconds"}) == READS_OF_PROGRESS
