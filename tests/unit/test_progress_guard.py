"""What a stream has shown of a render decides what may still follow it."""

from datetime import UTC, datetime

import pytest

from models.db.rows import SceneRow
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.progress import ProgressSnapshot
from models.reads.queries import RunningScene
from subscriptions.feed import Running
from subscriptions.progress_guard import ProgressGuard

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READING = ProgressSnapshot._make([None] * len(ProgressSnapshot._fields))._replace(
    job_id="job", status=JobStatus.PROCESSING, processing=1, version=5, updated_at=NOW, high_water=50.0
)


def shown(take: int, newest: int, status: SceneStatus) -> SceneRow:
    """A scene as it was shown; what does not matter here is left out."""
    blank = SceneRow._make([None] * len(SceneRow._fields))
    return blank._replace(id="scene", take_number=take, newest_take=newest, status=status)


def heard(take: int) -> Running:
    """Half of a take is done."""
    return Running(RunningScene("scene", "take", take, 50.0, None), READING)


@pytest.mark.parametrize(
    ("take", "newest", "status", "follows"),
    [
        (2, 2, SceneStatus.PROCESSING, True),
        (2, 2, SceneStatus.CANCELED, False),
        (3, 3, SceneStatus.PENDING, False),
        (1, 1, SceneStatus.COMPLETED, True),
        # An earlier take was selected after the second was given up.
        (1, 2, SceneStatus.COMPLETED, False),
    ],
)
def test_a_fraction_of_the_second_take(take: int, newest: int, status: SceneStatus, follows: bool) -> None:
    """It follows only what was shown before that take was over."""
    told = ProgressGuard()
    told.note([shown(take, newest, status)])
    assert (told.mend(heard(2)) is not None) == follows
