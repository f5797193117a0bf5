"""The state machine of scenes and the derived status of jobs, against the table in words."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain import lifecycle
from models.domain.lifecycle import JobStatus, SceneStatus
from tests.support.property_settings import MODEST

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = SceneStatus

# From each status, what updateScene may set; beside this only workers, cancel and regenerate move a scene.
TABLE = {
    PENDING: {PROCESSING, COMPLETED, FAILED, CANCELED},
    PROCESSING: {COMPLETED, FAILED, CANCELED},
    COMPLETED: set[SceneStatus](),
    FAILED: set[SceneStatus](),
    CANCELED: set[SceneStatus](),
}

counts = st.fixed_dictionaries({status: st.integers(0, 3) for status in SceneStatus})


@pytest.mark.parametrize(("current", "wanted"), list(product(SceneStatus, SceneStatus)))
def test_every_pair_of_states(current: SceneStatus, wanted: SceneStatus) -> None:
    """A move is accepted if the table has it or if it is none."""
    assert lifecycle.may_become(current, wanted) == (wanted is current or wanted in TABLE[current])


def test_what_is_offered_is_what_is_accepted() -> None:
    """The transitions shown to clients are the table's, each once, and never the status itself."""
    assert {current: set(offered) for current, offered in lifecycle.TRANSITIONS.items()} == TABLE
    assert all(len(set(offered)) == len(offered) for offered in lifecycle.TRANSITIONS.values())


def test_a_scene_is_open_or_settled() -> None:
    """Nothing is both, and what is settled has no way out but a regenerate."""
    assert {PENDING, PROCESSING} == lifecycle.OPEN
    assert set(SceneStatus) - lifecycle.OPEN == lifecycle.SETTLED_SCENE
    assert {current for current, offered in lifecycle.TRANSITIONS.items() if not offered} == lifecycle.SETTLED_SCENE
    assert {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED} == lifecycle.SETTLED_JOB


@MODEST
@given(counts)
def test_a_job_that_has_not_begun_is_pending(counts: dict[SceneStatus, int]) -> None:
    """Before its start a job is a storyboard, whatever became of single scenes."""
    assert lifecycle.job_status(left_draft=False, counts=counts) is JobStatus.PENDING


@MODEST
@given(counts)
def test_the_status_of_a_begun_job_follows_from_its_scenes(counts: dict[SceneStatus, int]) -> None:
    """Open scenes come first, then all completed, then any failed, else it was canceled."""
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
def test_examples_of_begun_jobs(live: list[SceneStatus], expected: JobStatus) -> None:
    """Each rule once, in its order."""
    counts = {status: live.count(status) for status in SceneStatus}
    assert lifecycle.job_status(left_draft=True, counts=counts) is expected
