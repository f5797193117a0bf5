"""The ETA of a job: never negative, and None without a typical duration."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.lifecycle import JobStatus
from models.domain.progress import ProgressSnapshot
from models.reads import eta as eta_module
from models.reads.eta import EtaInputs, Running
from tests.support.property_settings import MODEST

NOW = datetime(2026, 1, 31, tzinfo=UTC)
MINE, THEIRS = "job_mine", "job_theirs"
WAITING = ProgressSnapshot(MINE, "o", "local", JobStatus.PROCESSING, 0, 0, 0, 0, 0, 0, 1, NOW, 0.0, 0.0, False)
figures = st.none() | st.floats(0, 100)
starts = st.none() | st.integers(-10_000, 10_000).map(lambda seconds: NOW - timedelta(seconds=seconds))
renders = st.lists(st.builds(Running, st.sampled_from([MINE, THEIRS]), figures, starts), max_size=8)


def eta(
    pending: int, *running: Running, ahead: int | None = None, typical: float | None = 10.0, at_least: int = 1
) -> float | None:
    processing = sum(each.job_id == MINE for each in running)
    status = JobStatus.PROCESSING if pending or processing else JobStatus.COMPLETED
    snapshot = WAITING._replace(pending=pending, processing=processing, status=status)
    known = EtaInputs(typical, running, pending if ahead is None else ahead)
    return eta_module.eta_seconds(snapshot, known, at_least=at_least, now=NOW)


def mine(percentage: float | None, since: float = 0.0) -> Running:
    return Running(MINE, percentage, NOW - timedelta(seconds=since))


def theirs(percentage: float | None) -> Running:
    return Running(THEIRS, percentage, NOW)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (partial(eta, 3), 30.0),
        # An external job's pending scenes are in no queue.
        (partial(eta, 3, ahead=0), 30.0),
        (partial(eta, 3, at_least=2), 15.0),
        (partial(eta, 3, at_least=200), 10.0),
        (partial(eta, 2, mine(50)), 25.0),
        (partial(eta, 2, mine(50), theirs(50)), 15.0),
        (partial(eta, 1, theirs(0), ahead=4), 50.0),
        (partial(eta, 0, mine(25), theirs(0)), 7.5),
        (partial(eta, 0, mine(25), mine(75)), 7.5),
        (partial(eta, 0, mine(100)), 0.0),
        (partial(eta, 0, mine(None, since=4)), 6.0),
        (partial(eta, 0, mine(None, since=400)), 0.0),
        (partial(eta, 0, mine(None, since=-5)), 10.0),
        (partial(eta, 3, typical=None), None),
        (partial(eta, 0), None),
    ],
)
def test_eta_examples(estimate: Callable[[], float | None], expected: float | None) -> None:
    """Remaining and earlier work, divided by the takes that run in parallel; at least the duration of one take."""
    assert estimate() == expected


@MODEST
@given(st.integers(0, 200), renders, st.integers(0, 400), st.floats(0, 3600), st.integers(1, 64))
def test_eta_is_never_negative(pending: int, running: list[Running], ahead: int, typical: float, at_least: int) -> None:
    """There is an ETA as long as a scene is open."""
    estimate = eta(pending, *running, ahead=ahead, typical=typical, at_least=at_least)
    assert (estimate is None) == (pending + sum(each.job_id == MINE for each in running) == 0)
    assert estimate is None or estimate >= 0


@MODEST
@given(st.integers(1, 200), renders, st.integers(0, 200), st.integers(1, 100), st.integers(1, 64))
def test_eta_does_not_decrease_with_more_scenes_ahead(
    pending: int, running: list[Running], ahead: int, more: int, at_least: int
) -> None:
    """A job with pending scenes takes at least the duration of one take."""
    sooner = eta(pending, *running, ahead=ahead, at_least=at_least)
    later = eta(pending, *running, ahead=ahead + more, at_least=at_least)
    assert sooner is not None
    assert later is not None
    assert 10.0 <= sooner <= later
