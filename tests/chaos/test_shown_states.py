"""The checks of what clients show detect each kind of mistake, in written states and times."""

from typing import Any

import pytest

from tests.chaos import shown_states
from tests.chaos.delays import delays
from tests.chaos.line import Interval
from tests.chaos.recording import Recorded
from tests.chaos.shown_states import Shown
from tests.support.violations import Kind

Json = dict[str, Any]


def row(name: str, status: str = "PROCESSING", percentage: float | None = None) -> Json:
    shown = {"id": name, "title": name, "prompt": f"prompt of {name}", "status": status, "percentage": percentage}
    return shown | {"high_water": percentage or 0.0}


def recorded(version: int, *scenes: Json, at: float = 0.0) -> Recorded:
    return Recorded(version, at, "A job", "PROCESSING", list(scenes))


# Two scenes: the second one completes with version 2.
RECORD = [
    recorded(1, row("a", percentage=20.0), row("b", percentage=40.0)),
    recorded(1, row("a", percentage=30.0), row("b", percentage=40.0)),
    recorded(2, row("a", percentage=30.0), row("b", "COMPLETED", 100.0)),
    recorded(4, row("b", "COMPLETED", 100.0)),
]


def shown(of: Recorded, at: float = 0.0) -> Shown:
    """Return what a client shows that has received all of this state."""
    statuses = [each["status"] for each in of.scenes]
    counts = {name: statuses.count(name.upper()) for name in shown_states.STATUSES}
    progress = {"version": of.version, "percentage": shown_states.percentage_of(of), **counts}
    scenes = [{name: value for name, value in each.items() if name != "high_water"} for each in of.scenes]
    return Shown(at, of.version, of.title, of.status, progress, scenes)


STATES = [shown(state) for state in RECORD]


def kinds(*states: Shown) -> set[Kind]:
    return {violation.kind for violation in shown_states.check("client", states, RECORD)}


def scene_at(percentage: float, state: Shown) -> Shown:
    first, *others = state.scenes
    return state._replace(scenes=[first | {"percentage": percentage}, *others])


class TestShownStates:
    """A client of a job with the record above."""

    def test_recorded_states_in_their_order_are_accepted(self) -> None:
        """Also when versions are skipped or shown twice."""
        assert kinds(*STATES) == kinds(STATES[0], STATES[0], STATES[3]) == set()

    @pytest.mark.parametrize(
        "state",
        [
            pytest.param(STATES[2]._replace(version=3), id="version inside of a transaction"),
            pytest.param(STATES[2]._replace(version=5), id="version that was never there"),
            pytest.param(STATES[2]._replace(title="Another"), id="other title"),
            pytest.param(STATES[2]._replace(status="COMPLETED"), id="other status of the job"),
            pytest.param(STATES[2]._replace(scenes=STATES[1].scenes), id="scenes of the version before"),
            pytest.param(STATES[3]._replace(scenes=STATES[2].scenes), id="deleted scene"),
            pytest.param(STATES[2]._replace(progress=STATES[1].progress), id="progress of the version before"),
            pytest.param(
                STATES[2]._replace(progress=STATES[1].progress | {"version": 2}), id="counters of the version before"
            ),
            pytest.param(STATES[2]._replace(progress=STATES[2].progress | {"percentage": 70.0}), id="percentage"),
            pytest.param(scene_at(20.0, STATES[2]), id="percentage of a scene of the version before"),
        ],
    )
    def test_state_that_the_job_never_had_is_a_violation(self, state: Shown) -> None:
        """Whatever of it differs."""
        assert Kind.NEVER_WAS in kinds(state)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(STATES[2], STATES[1], id="version"),
            pytest.param(STATES[1], STATES[0], id="percentages within a version"),
            pytest.param(STATES[1], scene_at(20.0, STATES[1]), id="percentage of a scene"),
        ],
    )
    def test_step_back_is_a_violation(self, before: Shown, after: Shown) -> None:
        """Although the job had both states."""
        assert kinds(before, after) == {Kind.BACKWARDS}

    @pytest.mark.parametrize(
        ("messages", "found"),
        [
            pytest.param(["JobSnapshot INITIAL 1", "SceneProgress a 1", "JobEvent a 2"], set[Kind](), id="none"),
            pytest.param(["JobSnapshot INITIAL 1", "JobSnapshot LAGGED 5", "JobEvent a 6"], set[Kind](), id="lagged"),
            pytest.param(["JobSnapshot INITIAL 1", "JobEvent a 3"], {Kind.GAP}, id="missed event"),
            pytest.param(["JobSnapshot INITIAL 1", "JobEvent a 2", "JobEvent a 2"], {Kind.GAP}, id="repeated event"),
            pytest.param(["JobEvent a 2"], {Kind.GAP}, id="event without a state"),
        ],
    )
    def test_missed_or_repeated_event_is_a_violation(self, messages: list[str], found: set[Kind]) -> None:
        """Although the client shows the right state."""
        assert kinds(*(STATES[0]._replace(message=message) for message in messages)) == found

    @pytest.mark.parametrize(
        ("states", "found"),
        [
            pytest.param(STATES, set[Kind](), id="last state"),
            pytest.param(STATES[:3], {Kind.VIEW_DIFFERS}, id="version before"),
            pytest.param([], {Kind.VIEW_DIFFERS}, id="nothing"),
        ],
    )
    def test_other_last_state_is_a_violation(self, states: list[Shown], found: set[Kind]) -> None:
        """At the end, a client shows the last state of the job."""
        assert {each.kind for each in shown_states.check_last("client", states, RECORD)} == found


class TestDelays:
    """A version that is committed at 10 s and shown at 15 s."""

    @pytest.mark.parametrize(
        ("down", "seconds"),
        [
            pytest.param([], 5.0, id="line that was up"),
            pytest.param([Interval(9.0, 14.5)], 0.5, id="line that came back"),
            pytest.param([Interval(10.25, 14.5)], 0.5, id="cut soon after the commit"),
            pytest.param([Interval(12.0, 14.5)], 2.0, id="cut long after the commit"),
            pytest.param([Interval(9.0, 13.0), Interval(10.0, 14.0)], 1.0, id="server killed during a cut"),
            pytest.param([Interval(1.0, 2.0), Interval(16.0, 17.0)], 5.0, id="other outages"),
        ],
    )
    def test_only_the_time_without_an_outage_counts(self, down: list[Interval], seconds: float) -> None:
        """The longest part of it: the client had that long to show the version."""
        record = [recorded(1, at=1.0), recorded(2, at=10.0)]
        states = [shown(record[0], at=2.0), shown(record[1], at=15.0)]
        assert list(delays(states, record, down)) == [seconds]

    def test_version_that_was_skipped_was_shown_with_the_next(self) -> None:
        """A snapshot stands for all versions up to its own."""
        record = [recorded(version, at=float(version)) for version in (1, 2, 3)]
        assert list(delays([shown(record[0], at=1.0), shown(record[2], at=3.5)], record, [])) == [1.5, 0.5]
