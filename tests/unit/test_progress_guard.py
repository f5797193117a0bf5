"""ProgressGuard: progress that a stream receives late must not follow newer state of the same scene."""

from datetime import UTC, datetime

import pytest

from coordinator.live.reader import JobUpdate
from models.db.rows import SceneRow
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.progress import ProgressSnapshot
from subscriptions.feed import Feed, Running
from subscriptions.progress_guard import ProgressGuard
from tests.support.scene_rows import running_row, scene_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# A job with one scene, half done.
SNAPSHOT = ProgressSnapshot(
    "job", "owner", "local", JobStatus.PROCESSING, 0, 1, 0, 0, 0, 0, 5, NOW, 50.0, 50.0, awaiting_assembly=False
)


def shown(take: int, newest: int, status: SceneStatus) -> SceneRow:
    """A scene row as shown in the stream; irrelevant columns are None."""
    return scene_row("scene", take_number=take, newest_take=newest, status=status)


def received(take: int) -> Running:
    """Progress of 50 % of a take."""
    return Running(running_row("scene", take=take), SNAPSHOT)


@pytest.mark.parametrize(
    ("take", "newest", "status", "follows"),
    [
        (2, 2, SceneStatus.PROCESSING, True),
        (2, 2, SceneStatus.CANCELED, False),
        (3, 3, SceneStatus.PENDING, False),
        (1, 1, SceneStatus.COMPLETED, True),
        # The first take was selected again after the second was canceled.
        (1, 2, SceneStatus.COMPLETED, False),
    ],
)
def test_progress_of_the_second_take_is_dropped_once_that_take_was_shown_to_be_over(
    take: int, newest: int, status: SceneStatus, follows: bool
) -> None:
    """A take is over when its scene is settled, or has a newer take."""
    guard = ProgressGuard()
    guard.observe([shown(take, newest, status)])
    assert (guard.clamp(received(2)) is not None) == follows


@pytest.mark.parametrize(("percentage", "expected"), [(20.0, 50.0), (70.0, 70.0), (None, 50.0)])
def test_progress_is_never_lower_than_what_was_shown(percentage: float | None, expected: float) -> None:
    """A message may have waited in the feed while an event showed newer progress."""
    guard = ProgressGuard()
    guard.observe([shown(2, 2, SceneStatus.PROCESSING)._replace(percentage=50.0)])
    running = received(2)
    clamped = guard.clamp(running._replace(scene=running.scene._replace(percentage=percentage)))
    assert clamped is not None
    assert clamped.scene.percentage == expected


def test_scene_of_progress_is_never_older_than_it_was_shown() -> None:
    """The newer row with the higher percentage is kept, in either order of the reads."""
    for shown_version, title in ((6, "new"), (4, "received")):
        guard = ProgressGuard()
        row = shown(2, 2, SceneStatus.PROCESSING)._replace(version=shown_version, title="new", percentage=40.0)
        guard.observe([row])
        running = received(2)
        clamped = guard.clamp(running._replace(scene=running.scene._replace(version=5, title="received")))
        assert clamped is not None
        assert (clamped.scene.title, clamped.scene.percentage) == (title, 50.0)


@pytest.mark.parametrize(
    ("version", "high_water", "expected"),
    [(4, 90.0, (5, 50.0)), (5, 40.0, (5, 50.0)), (5, 60.0, (5, 60.0)), (6, 10.0, (6, 10.0))],
    ids=["older version", "same version, lower", "same version, higher", "newer version"],
)
def test_progress_of_the_job_is_the_newest_of_shown_and_received(
    version: int, high_water: float, expected: tuple[int, float]
) -> None:
    """Within a version progress only rises; a newer version may lower it."""
    guard = ProgressGuard()
    guard.observe([SNAPSHOT])
    clamped = guard.clamp(received(2)._replace(snapshot=SNAPSHOT._replace(version=version, high_water=high_water)))
    assert clamped is not None
    assert (clamped.snapshot.version, clamped.snapshot.high_water) == expected


def test_job_progress_does_not_fall_when_the_feed_sends_an_older_snapshot_of_another_scene() -> None:
    """The feed replaces a's pending progress in place, so b's older snapshot of the same version is sent after it."""
    feed, guard = Feed(), ProgressGuard()
    for scene_id, percentage in (("a", 10.0), ("b", 20.0), ("a", 60.0)):
        running = running_row(scene_id, percentage)
        feed.on_update(JobUpdate([], [running], SNAPSHOT._replace(high_water=percentage)))
    sent: list[tuple[str, float]] = []
    while not feed.empty:
        message = next_now(feed)
        assert isinstance(message, Running)
        clamped = guard.clamp(message)
        assert clamped is not None
        sent.append((clamped.scene.id, clamped.snapshot.percentage))
    assert sent == [("a", 60.0), ("b", 60.0)]


def next_now(feed: Feed) -> object:
    """Return the next message of a feed that is not empty."""
    coroutine = feed.next()
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    return stop.value.value
