"""How far a job is, and what stage it is in."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain import lifecycle, progress
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.progress import JobStage, ProgressSnapshot
from tests.support.property_settings import MODEST

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = SceneStatus
shares = st.floats(0, 100)
# The high water of each scene that is not completed, beside how many are.
unfinished = st.lists(shares, max_size=8)


def reading(*scenes: SceneStatus, left_draft: bool = True, retrying: int = 0, **more: Any) -> ProgressSnapshot:
    """A reading of a job with such scenes; `retrying` of the pending ones wait for another attempt."""
    counts = {status: scenes.count(status) for status in SceneStatus}
    plain = ProgressSnapshot(
        job_id="job_1",
        owner_id="local",
        provider="scripted",
        status=lifecycle.job_status(left_draft=left_draft, counts=counts),
        pending=counts[PENDING],
        processing=counts[PROCESSING],
        completed=counts[COMPLETED],
        failed=counts[FAILED],
        canceled=counts[CANCELED],
        retrying=retrying,
        version=1,
        updated_at=datetime(2026, 1, 31, tzinfo=UTC),
        high_water=0.0,
        under_way=0.0,
        awaiting_assembly=False,
    )
    return plain._replace(**more)


def percentage(completed: int, unfinished: list[float]) -> float:
    total = completed + len(unfinished)
    return progress.percentage(total=total, completed=completed, high_water=sum(unfinished))


@MODEST
@given(st.integers(0, 8), unfinished)
def test_a_percentage_is_a_share_and_100_means_done(completed: int, unfinished: list[float]) -> None:
    """It lies in 0..100, says 100 only when all scenes are completed, and is 0 for an empty job."""
    share = percentage(completed, unfinished)
    assert 0 <= share <= 100
    assert (share == 100) == (completed > 0 and not unfinished)
    if not completed and not unfinished:
        assert share == 0


@MODEST
@given(st.integers(0, 8), st.lists(shares, min_size=1, max_size=8), st.data())
def test_a_percentage_never_falls_while_scenes_get_on(
    completed: int, unfinished: list[float], data: st.DataObject
) -> None:
    """Whether a scene gets further or is completed, the job does not go back."""
    before = percentage(completed, unfinished)
    first, *others = unfinished
    further = data.draw(st.floats(first, 100))
    assert percentage(completed, [further, *others]) >= before
    assert percentage(completed + 1, others) >= percentage(completed, [further, *others])


@pytest.mark.parametrize(
    ("completed", "unfinished", "expected"),
    [
        (0, [], 0.0),
        (0, [0.0, 0.0], 0.0),
        (1, [50.0], 75.0),
        (1, [0.0, 0.0], 33.33),
        (0, [100.0], 99.99),
        (199, [100.0], 99.99),
        (3, [], 100.0),
    ],
)
def test_examples_of_percentages(completed: int, unfinished: list[float], expected: float) -> None:
    """The formula of the schema, to two places, and capped below 100 until everything is completed."""
    assert percentage(completed, unfinished) == expected


@pytest.mark.parametrize(
    ("reading", "stage", "label"),
    [
        (reading(PENDING, left_draft=False), JobStage.WAITING, "Waiting to be started"),
        (reading(left_draft=False), JobStage.WAITING, "Waiting to be started"),
        (reading(PENDING, PENDING), JobStage.QUEUED, "2 scenes in the queue"),
        (reading(PENDING, COMPLETED), JobStage.QUEUED, "1 scene in the queue"),
        (reading(PENDING, PENDING, retrying=1), JobStage.QUEUED, "2 scenes in the queue"),
        (reading(PENDING, COMPLETED, retrying=1), JobStage.RETRYING, "Waiting to retry 1 scene"),
        (reading(COMPLETED, FAILED, PROCESSING, PENDING), JobStage.GENERATING, "Generating scene 3 of 4"),
        (reading(PROCESSING, PENDING, retrying=1), JobStage.GENERATING, "Generating scene 1 of 2"),
        (reading(COMPLETED), JobStage.DONE, "1 scene ready"),
        (
            reading(COMPLETED, COMPLETED, awaiting_assembly=True),
            JobStage.ASSEMBLING,
            "2 scenes ready, joining the clips",
        ),
        (reading(COMPLETED, FAILED, CANCELED), JobStage.STOPPED, "Stopped: 1 of 3 scenes failed"),
        (reading(FAILED), JobStage.STOPPED, "Stopped: 1 of 1 scene failed"),
        (reading(COMPLETED, CANCELED), JobStage.STOPPED, "Canceled with 1 of 2 scenes ready"),
        (reading(), JobStage.STOPPED, "Canceled with 0 of 0 scenes ready"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_stage_and_its_words(reading: ProgressSnapshot, stage: JobStage, label: str) -> None:
    """Where a job stands, for programs and for people."""
    assert (reading.current_stage, reading.stage_label) == (stage, label)


@MODEST
@given(st.lists(st.sampled_from(SceneStatus), max_size=8), st.booleans(), shares)
def test_a_reading_adds_up(scenes: list[SceneStatus], left_draft: bool, share: float) -> None:
    """The total is the sum of the counts, and every reading has a stage, words and a percentage."""
    seen = reading(*scenes, left_draft=left_draft, high_water=share * (len(scenes) - scenes.count(COMPLETED)))
    assert seen.total == len(scenes)
    assert 0 <= seen.percentage <= 100
    assert seen.stage_label
    assert (seen.current_stage is JobStage.DONE) == (seen.status is JobStatus.COMPLETED)
