"""The state machine of scenes against its table, and the status of a job derived from its scenes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain import lifecycle
from models.domain.lifecycle import JobStatus, SceneStatus
from tests.support.property_settings import MODEST

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = SceneStatus

# The statuses that updateScene may set, by current status. Workers, cancel and regenerate have other transitions.
TABLE = {
    PENDING: {PROCESSING, COMPLETED, FAILED, CANCELED},
    PROCESSING: {COMPLETED, FAILED, CANCELED},
    COMPLETED: set[SceneStatus](),
    FAILED: set[SceneStatus](),
    CANCELED: set[SceneStatus](),
}

counts = st.fixed_dictionaries({status: st.integers(0, 3) for status in SceneStatus})


@pytest.mark.parametrize(("current", "target"), list(product(SceneStatus, SceneStatus)))
def test_scene_transitions_match_the_lifecycle_table(current: SceneStatus, target: SceneStatus) -> None:
    """A transition is allowed if the table has it, or if the status does not change."""
    assert lifecycle.may_become(current, target) == (target is current or target in TABLE[current])


def test_offered_scene_transitions_are_the_allowed_ones() -> None:
    """Clients see the transitions of the table, each once, and never the current status."""
    assert {current: set(offered) for current, offered in lifecycle.TRANSITIONS.items()} == TABLE
    assert all(len(set(offered)) == len(offered) for offered in lifecycle.TRANSITIONS.values())


def test_every_scene_status_is_either_open_or_settled() -> None:
    """A settled status has no transition; only regenerate leaves it."""
    assert {PENDING, PROCESSING} == lifecycle.OPEN
    assert set(SceneStatus) - lifecycle.OPEN == lifecycle.SETTLED_SCENE
    assert {current for current, offered in lifecycle.TRANSITIONS.items() if not offered} == lifecycle.SETTLED_SCENE
    assert {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED} == lifecycle.SETTLED_JOB


@MODEST
@given(counts)
def test_draft_job_is_pending(counts: dict[SceneStatus, int]) -> None:
    """Whatever the statuses of its scenes are."""
    assert lifecycle.job_status(left_draft=False, counts=counts) is JobStatus.PENDING


@MODEST
@given(counts)
def test_status_of_a_started_job_follows_from_its_scenes(counts: dict[SceneStatus, int]) -> None:
    """Any open scene: PROCESSING; all completed: COMPLETED; any failed: FAILED; otherwise CANCELED."""
    live = [status for status, count in counts.items() for _ in range(count)]
    if PENDING in live or PROCESSING in live:
        expected = JobStatus.PROCESSING
    elif live and set(live) == {COMPLETED}:
        expected = JobStatus.COMPLETED
    elif FAILED in live:
        expected = JobStatus.FAILED
    else:
        expected = JobStatus.CANCELED
    assert lifecycle.job_status(left_draft=True, counts=counts) is expected


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ([], JobStatus.CANCELED),
        ([PENDING], JobStatus.PROCESSING),
        ([PROCESSING, FAILED], JobStatus.PROCESSING),
        ([COMPLETED, COMPLETED], JobStatus.COMPLETED),
        ([COMPLETED, FAILED, CANCELED], JobStatus.FAILED),
        ([COMPLETED, CANCELED], JobStatus.CANCELED),
        ([CANCELED], JobStatus.CANCELED),
    ],
)
def test_status_examples_of_started_jobs(live: list[SceneStatus], expected: JobStatus) -> None:
    """Each rule in the order of precedence."""
    counts = {status: live.count(status) for status in SceneStatus}
    assert lifecycle.job_status(left_draft=True, counts=counts) is expected
