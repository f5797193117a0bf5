"""The percentage and the stage of a job."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain import lifecycle, progress
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.progress import JobStage, ProgressSnapshot
from schema.progress import PROGRESS_OF_ROW
from tests.support.property_settings import MODEST

PENDING, PROCESSING, COMPLETED, FAILED, CANCELED = SceneStatus
shares = st.floats(0, 100)
# The high-water mark of each scene that is not completed.
unfinished = st.lists(shares, max_size=8)


def snapshot_of(*scenes: SceneStatus, left_draft: bool = True, retrying: int = 0, **more: Any) -> ProgressSnapshot:
    """Return the snapshot of a job with these scenes; `retrying` of the pending ones wait for a retry."""
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
def test_percentage_is_100_only_when_all_scenes_are_completed(completed: int, unfinished: list[float]) -> None:
    """It lies in 0..100, and is 0 for an empty job."""
    share = percentage(completed, unfinished)
    assert 0 <= share <= 100
    assert (share == 100) == (completed > 0 and not unfinished)
    if not completed and not unfinished:
        assert share == 0


@MODEST
@given(st.integers(0, 8), st.lists(shares, min_size=1, max_size=8), st.data())
def test_percentage_never_decreases_while_scenes_progress(
    completed: int, unfinished: list[float], data: st.DataObject
) -> None:
    """Neither when a scene progresses nor when it is completed."""
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
def test_percentage_examples(completed: int, unfinished: list[float], expected: float) -> None:
    """The formula of the schema, to two decimals, and capped below 100 until all scenes are completed."""
    assert percentage(completed, unfinished) == expected


@pytest.mark.parametrize(
    ("snapshot", "stage", "label"),
    [
        (snapshot_of(PENDING, left_draft=False), JobStage.WAITING, "Waiting to be started"),
        (snapshot_of(left_draft=False), JobStage.WAITING, "Waiting to be started"),
        (snapshot_of(PENDING, PENDING), JobStage.QUEUED, "2 scenes in the queue"),
        (snapshot_of(PENDING, COMPLETED), JobStage.QUEUED, "1 scene in the queue"),
        (snapshot_of(PENDING, PENDING, retrying=1), JobStage.QUEUED, "2 scenes in the queue"),
        (snapshot_of(PENDING, COMPLETED, retrying=1), JobStage.RETRYING, "Waiting to retry 1 scene"),
        (snapshot_of(COMPLETED, FAILED, PROCESSING, PENDING), JobStage.GENERATING, "Generating scene 3 of 4"),
        (snapshot_of(PROCESSING, PENDING, retrying=1), JobStage.GENERATING, "Generating scene 1 of 2"),
        (snapshot_of(COMPLETED), JobStage.DONE, "1 scene ready"),
        (
            snapshot_of(COMPLETED, COMPLETED, awaiting_assembly=True),
            JobStage.ASSEMBLING,
            "2 scenes ready, joining the clips",
        ),
        (snapshot_of(COMPLETED, FAILED, CANCELED), JobStage.STOPPED, "Stopped: 1 of 3 scenes failed"),
        (snapshot_of(FAILED), JobStage.STOPPED, "Stopped: 1 of 1 scene failed"),
        (snapshot_of(COMPLETED, CANCELED), JobStage.STOPPED, "Canceled with 1 of 2 scenes ready"),
        (snapshot_of(), JobStage.STOPPED, "Canceled with 0 of 0 scenes ready"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_stage_and_stage_label_of_a_job(snapshot: ProgressSnapshot, stage: JobStage, label: str) -> None:
    """For programs and for people."""
    assert (snapshot.current_stage, snapshot.stage_label) == (stage, label)


@MODEST
@given(st.lists(st.sampled_from(SceneStatus), max_size=8), st.booleans(), shares)
def test_progress_snapshot_is_consistent(scenes: list[SceneStatus], left_draft: bool, share: float) -> None:
    """The total is the sum of the counts, and every snapshot has a stage, a label and a percentage."""
    seen = snapshot_of(*scenes, left_draft=left_draft, high_water=share * (len(scenes) - scenes.count(COMPLETED)))
    assert seen.total == len(scenes)
    assert 0 <= seen.percentage <= 100
    assert seen.stage_label
    assert (seen.current_stage is JobStage.DONE) == (seen.status is JobStatus.COMPLETED)


@pytest.mark.parametrize("name", PROGRESS_OF_ROW.computed)
def test_computed_attribute_reads_the_declared_columns_only(name: str) -> None:
    """Compiled operations make the others None."""
    unread = dict.fromkeys({*ProgressSnapshot._fields} - {*PROGRESS_OF_ROW.computed[name]})
    for whole in (
        snapshot_of(PENDING, PROCESSING, COMPLETED, high_water=40.0),
        snapshot_of(PENDING, COMPLETED, FAILED, retrying=1, high_water=40.0),
        snapshot_of(PENDING, PENDING, CANCELED, retrying=1),
        snapshot_of(PENDING, left_draft=False),
        snapshot_of(COMPLETED, awaiting_assembly=True),
        snapshot_of(COMPLETED),
        snapshot_of(FAILED, COMPLETED),
        snapshot_of(),
    ):
        assert getattr(whole._replace(**unread), name) == getattr(whole, name)
