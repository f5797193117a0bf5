"""The checker detects each kind of violation, in written messages, rows and times: no server has to be broken."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import external_takes, invariants
from tests.chaos.client_view import ClientView
from tests.chaos.history import Change
from tests.chaos.shared_state import LATE_SECONDS, OVERTAKEN_BY, SharedState, Topic
from tests.support import row_checks
from tests.support.db_dump import DbDump
from tests.support.violations import Kind, Violation

Json = dict[str, Any]


def progress(version: int, percentage: float = 0.0) -> Json:
    return {"version": version, "percentage": percentage}


def job(version: int, percentage: float = 0.0) -> Json:
    shown = {"id": "job", "title": "A job", "status": "PROCESSING", "version": version}
    return shown | {"scenes": {"nodes": [{"id": "scene"}]}, "progress": progress(version, percentage)}


def snapshot(version: int, reason: str = "INITIAL", percentage: float = 0.0) -> Json:
    return {"kind": "JobSnapshot", "reason": reason, "version": version, "job": job(version, percentage)}


def event(version: int, now: int | None = None, percentage: float = 0.0) -> Json:
    reading = progress(version, percentage)
    message = {"kind": "JobEvent", "version": version, "type": "JOB_UPDATED", "now": job(now or version)}
    return message | {"scene": None, "progress": reading}


def tick(percentage: float, version: int = 3, of_job: float = 50.0) -> Json:
    message = {"kind": "SceneProgress", "sceneId": "scene", "takeNumber": 1, "percentage": percentage}
    return message | {"progress": progress(version, of_job)}


class TestClientView:
    """One connection that starts with a snapshot at version 3."""

    def test_consecutive_messages_are_accepted(self) -> None:
        """Events, progress, and a LAGGED snapshot that skips versions."""
        view = view_at_3()
        for message in (event(4), tick(20.0), tick(30.0), snapshot(9, "LAGGED"), event(10)):
            view.fold(message)
        assert view.version == 10

    @pytest.mark.parametrize(
        ("messages", "kind"),
        [
            pytest.param([event(5)], Kind.GAP, id="event after a gap"),
            pytest.param([event(3)], Kind.REPEAT, id="repeated event"),
            pytest.param([event(4), event(4)], Kind.REPEAT, id="event sent twice"),
            pytest.param([snapshot(3, "LAGGED")], Kind.REPEAT, id="LAGGED snapshot without progress"),
            pytest.param([snapshot(3)], Kind.UNEXPECTED_SNAPSHOT, id="second INITIAL snapshot"),
            pytest.param([event(4, now=3)], Kind.BACKWARDS, id="event with an older job"),
            pytest.param([tick(30.0), tick(20.0)], Kind.BACKWARDS, id="percentage of a take that falls"),
            pytest.param([tick(30.0), tick(40.0, of_job=40.0)], Kind.BACKWARDS, id="progress of the job that falls"),
        ],
    )
    def test_message_that_does_not_follow_is_a_violation(self, messages: list[Json], kind: Kind) -> None:
        """With the kind that says what is wrong."""
        with pytest.raises(Violation) as raised:
            fold(view_at_3(), messages)
        assert raised.value.kind is kind

    def test_event_before_the_snapshot_is_a_gap(self) -> None:
        """A stream that names no version starts with a snapshot."""
        view = ClientView("subscriber")
        view.resume(None, "websocket", known=False)
        with pytest.raises(Violation) as raised:
            view.fold(event(1))
        assert raised.value.kind is Kind.GAP


def view_at_3() -> ClientView:
    view = ClientView("subscriber")
    view.resume(None, "websocket", known=False)
    view.fold(snapshot(3))
    return view


def fold(view: ClientView, messages: list[Json]) -> None:
    for message in messages:
        view.fold(message)


class TestLateness:
    """A change of one job that its subscriber does not receive, while another job changes."""

    @pytest.mark.parametrize(
        ("seconds", "overtaken_by", "late"),
        [
            pytest.param(LATE_SECONDS + 1, OVERTAKEN_BY, True, id="others received many younger changes"),
            pytest.param(LATE_SECONDS + 1, 0, False, id="nothing is delivered: the machine is slow"),
            pytest.param(LATE_SECONDS - 1, OVERTAKEN_BY, False, id="not yet due"),
        ],
    )
    def test_change_is_late_when_many_younger_ones_were_delivered(
        self, seconds: float, overtaken_by: int, late: bool
    ) -> None:
        """However slow the machine is."""
        clock = Clock()
        shared = SharedState(0, clock)
        for name in ("missed", "other"):
            shared.add(Topic(name, "external", hot=False))
        shared.acknowledge("missed", 1)
        for version in range(1, overtaken_by + 2):
            clock.seconds += 0.001
            shared.acknowledge("other", version)
            shared.delivered("other", version)
        clock.seconds = seconds
        assert shared.is_late("missed", 0, subscribed_at=0.0) is late
        assert not shared.is_late("missed", 1, subscribed_at=0.0)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


TITLE = Change("job", None, "JOB_UPDATED", "w1-1", after=0, upto=2, acknowledged=True)
CREATED = Change("job", None, "JOB_CREATED", "w1-0", after=0, upto=1, acknowledged=True)
CHANGES = [CREATED, TITLE]
KEPT = '{"key": "kept"}'
ADOPTED = {"output": '{"key": "kept", "source_url": "u"}', "poster": KEPT, "preview": KEPT}
SILENT = {
    "status": "FAILED",
    "provider": "external",
    "failure": '{"code": "TIMEOUT"}',
    "created_at": "2026-01-01 00:00:00",
    "finished_at": "2026-01-01 00:00:02",
}


def log_entry(version: int, event_type: str, scene_id: str | None = None, changed: tuple[str, ...] = ()) -> Json:
    actor = None if event_type in ("SCENE_STARTED", "SCENE_COMPLETED", "JOB_SETTLED") else "local"
    entry = {"job_id": "job", "version": version, "type": event_type, "scene_id": scene_id}
    return entry | {"actor_id": actor, "changed": [*changed]}


def rows() -> dict[str, list[Json]]:
    """Return the rows of a job with one completed scene, as a correct server leaves them."""
    counters = {"pending": 0, "processing": 0, "completed": 1, "failed": 0, "canceled": 0, "retrying": 0}
    job_row = {"id": "job", "title": "w1-1", "status": "COMPLETED", "version": 6, "started_at": 1, "canceled_at": None}
    scene = {"id": "scene", "job_id": "job", "title": None, "prompt": "w1-0-0", "status": "COMPLETED", "attempts": 1}
    scene |= {"position": 0, "deleted_at": None, "next_attempt_at": None, "take_id": "take", "take_number": 1}
    take = {"id": "take", "job_id": "job", "scene_id": "scene", "number": 1, "status": "COMPLETED"}
    take |= {"reason": "INITIAL", "prompt": "w1-0-0", "provider_id": "p"}
    events = [
        log_entry(1, "JOB_CREATED", changed=("title",)),
        log_entry(2, "JOB_UPDATED", changed=("title",)),
        log_entry(3, "JOB_STARTED"),
        log_entry(4, "SCENE_STARTED", "scene"),
        log_entry(5, "SCENE_COMPLETED", "scene"),
        log_entry(6, "JOB_SETTLED"),
    ]
    return {"jobs": [job_row | counters], "scenes": [scene], "takes": [take], "events": events}


def final_view(title: str = "w1-1", falls_at: int | None = None) -> ClientView:
    """Return the view of a subscriber that received the last version."""
    view = ClientView("subscriber")
    view.resume(None, "sse", known=False)
    if falls_at is not None:
        view.fold(snapshot(falls_at - 1, percentage=50.0))
        view.fold(event(falls_at, percentage=20.0))
        view.resume(None, "sse", known=False)
    message = snapshot(6, percentage=100.0)
    message["job"] |= {"title": title, "status": "COMPLETED"}
    scene = {"id": "scene", "title": None, "prompt": "w1-0-0", "status": "COMPLETED", "attempts": 1, "providerId": "p"}
    message["job"]["scenes"]["nodes"] = [scene]
    view.fold(message)
    return view


def violations(dump: dict[str, list[Json]], changes: list[Change], view: ClientView) -> set[Kind]:
    """Return the kinds of violations in all that a run compares at its end."""
    rows_left = DbDump(**dump)
    found = [
        *row_checks.check_rows(rows_left),
        *invariants.check_history(rows_left, changes),
        *invariants.check_views(rows_left, [("job", view)]),
    ]
    return {violation.kind for violation in found}


class TestInvariants:
    """The comparison after a run, when the server is dead."""

    def test_rows_of_a_correct_server_are_accepted(self) -> None:
        """Without this, the others would prove nothing."""
        assert violations(rows(), CHANGES, final_view()) == set()

    @pytest.mark.parametrize(
        ("table", "index", "values", "kind"),
        [
            pytest.param("events", 3, None, Kind.LOG, id="event missing in the log"),
            pytest.param("jobs", 0, {"version": 7}, Kind.LOG, id="version without event"),
            pytest.param("jobs", 0, {"completed": 0}, Kind.COUNTERS, id="wrong counter"),
            pytest.param("jobs", 0, {"status": "FAILED"}, Kind.COUNTERS, id="wrong status"),
            pytest.param("scenes", 0, {"position": 1}, Kind.COUNTERS, id="gap in the positions"),
            pytest.param("takes", 0, {"number": 2}, Kind.LOG, id="gap in the takes"),
            pytest.param("takes", 0, {"status": "FAILED"}, Kind.LOG, id="logged completion without take"),
            pytest.param(
                "events", 5, {"type": "SCENE_FAILED", "scene_id": "scene"}, Kind.LOG, id="second end of a take"
            ),
            pytest.param("events", 1, {"type": "JOB_STARTED", "changed": []}, Kind.LOST_CHANGE, id="lost change"),
            pytest.param("events", 2, {"type": "JOB_DELETED"}, Kind.UNKNOWN_CHANGE, id="change without a request"),
            pytest.param("jobs", 0, {"title": "w1-0"}, Kind.LOST_CHANGE, id="last title overwritten"),
        ],
    )
    def test_corrupt_row_is_a_violation(self, table: str, index: int, values: Json | None, kind: Kind) -> None:
        """Changed values, or a missing row."""
        dump = rows()
        if values is None:
            del dump[table][index]
        else:
            dump[table][index] |= values
        assert kind in violations(dump, CHANGES, final_view())

    def test_change_that_was_executed_twice_is_a_violation(self) -> None:
        """A request with a key that was retried."""
        added = Change("job", "scene", "SCENE_ADDED", "w1-0-0", after=0, upto=None, acknowledged=False)
        dump = rows()
        dump["scenes"].append(dump["scenes"][0] | {"id": "again", "deleted_at": 1})
        dump["takes"].append(dump["takes"][0] | {"id": "take 2", "scene_id": "again", "status": "CANCELED"})
        assert Kind.UNKNOWN_CHANGE in violations(dump, [*CHANGES, added], final_view())

    @pytest.mark.parametrize(
        ("take", "kinds"),
        [
            pytest.param(ADOPTED, set[Kind](), id="adopted clip"),
            pytest.param(ADOPTED | {"poster": None}, {Kind.LOST_CHANGE}, id="adopted clip without a poster"),
            pytest.param(
                ADOPTED | {"output": '{"key": "gone", "source_url": "u"}'}, {Kind.LOST_CHANGE}, id="clip that is gone"
            ),
            pytest.param(SILENT, set[Kind](), id="silent take"),
            pytest.param(SILENT | {"finished_at": "2026-01-01 00:00:01"}, {Kind.LOG}, id="take that is silent early"),
            pytest.param(SILENT | {"provider": "scripted"}, {Kind.LOG}, id="silent take of a render"),
        ],
    )
    def test_external_take_is_checked(self, tmp_path: Path, take: Json, kinds: set[Kind]) -> None:
        """Its files, and how long it was silent."""
        (tmp_path / "kept").touch()
        dump = rows()
        dump["takes"][0] |= take
        found = external_takes.check(DbDump(**dump), tmp_path, timedelta(seconds=2))
        assert {violation.kind for violation in found} == kinds

    @pytest.mark.parametrize(
        ("view", "kind"),
        [
            pytest.param(final_view(title="w1-0"), Kind.VIEW_DIFFERS, id="stale title"),
            pytest.param(final_view(falls_at=5), Kind.BACKWARDS, id="progress fell without a reason"),
        ],
    )
    def test_wrong_view_is_a_violation(self, view: ClientView, kind: Kind) -> None:
        """Although its messages were consecutive."""
        assert violations(rows(), CHANGES, view) == {kind}
