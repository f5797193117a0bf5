"""The feed: a bounded buffer between a job that changes and a subscriber that may be slow."""

import asyncio
import copy
from datetime import UTC, datetime
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from coordinator.live.reader import JobUpdate
from models.db.rows import EventRow, SceneRow
from models.domain.events import EventType
from models.domain.lifecycle import JobStatus
from models.domain.progress import ProgressSnapshot
from subscriptions.feed import Feed, Inaccessible, Lagged, Running
from tests.support.property_settings import MODEST, scaled
from tests.support.scene_rows import running_row
from tests.support.waiting import TIMEOUT_SECONDS

Message = EventRow | Running | Lagged | Inaccessible

WHEN = datetime(2026, 1, 31, tzinfo=UTC)
SCENES = ("scene_a", "scene_b", "scene_c")


def event(version: int, scene_id: str | None = None) -> EventRow:
    return EventRow("job_1", version, EventType.SCENE_UPDATED, scene_id, None, [], WHEN)


def running(scene_id: str, percentage: float = 50.0) -> SceneRow:
    return running_row(scene_id, percentage)


def snapshot_at(version: int) -> ProgressSnapshot:
    return ProgressSnapshot(
        "job_1", "local", "local", JobStatus.PROCESSING, 0, 1, 0, 0, 0, 0, version, WHEN, 0.0, 0.0, False
    )


def update(*events: EventRow, running: tuple[SceneRow, ...] = (), version: int | None = None) -> JobUpdate:
    """An update of the job at `version`, by default that of the last event."""
    return JobUpdate(events, running, snapshot_at(events[-1].version if version is None else version))


def next_now(feed: Feed) -> Message:
    """Return the next message without waiting. Raises AssertionError when there is none."""
    coroutine = feed.next()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the feed is empty")


def drained(feed: Feed) -> list[Message]:
    """Return all buffered messages, up to the first Lagged."""
    messages: list[Message] = []
    while not feed.empty:
        messages.append(next_now(feed))
        if isinstance(messages[-1], Lagged):
            break
    return messages


def buffered(feed: Feed, versions: int) -> list[Message]:
    """Return all buffered messages, also those that follow dropped events. Leaves the feed unchanged."""
    feed, version = copy.deepcopy(feed), 0
    while drained(copy.deepcopy(feed))[:1] == [Lagged()]:
        version += 1
        assert version <= versions
        feed.forget(version)
    return drained(feed)


class SlowSubscriber(RuleBasedStateMachine):
    """A job that changes, a hub that sends updates in batches, and a subscriber that reads at any time.

    The subscriber does what jobEvents does: it joins, reads the state, then takes messages; after Lagged it reads the
    state again. The job changes meanwhile. Each message must follow the version that the subscriber knows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.limit = 0
        self.feed = Feed()
        self.committed: list[EventRow] = []
        self.published = 0
        self.joined = False
        self.position = 0
        self.reads: int | None = None
        self.expected: dict[str, Running] = {}
        self.percentages = count(1)

    @initialize(limit=st.integers(1, 5), before=st.integers(0, 4))
    def join(self, limit: int, before: int) -> None:
        """Join a job with a history, which the hub does not send; then read the state."""
        self.limit, self.feed = limit, Feed(limit)
        self.commit([None] * before)
        self.published = before
        self.reads = before

    @rule(scene_ids=st.lists(st.none() | st.sampled_from(SCENES), min_size=1, max_size=4))
    def commit(self, scene_ids: list[str | None]) -> None:
        """The job changes; the hub has not read it yet."""
        for scene_id in scene_ids:
            self.committed.append(event(len(self.committed) + 1, scene_id))

    @rule(batch=st.integers(0, 8), scene_ids=st.sets(st.sampled_from(SCENES)))
    def publish(self, batch: int, scene_ids: set[str]) -> None:
        """The hub sends some of the new events, oldest first, and scenes that made progress meanwhile."""
        events = self.committed[self.published : self.published + batch]
        scenes = [running(scene_id, float(next(self.percentages))) for scene_id in sorted(scene_ids)]
        self.published += len(events)
        snapshot = snapshot_at(len(self.committed))
        for found in events:
            self.expected.pop(found.scene_id or "", None)
        self.expected |= {scene.id: Running(scene, snapshot) for scene in scenes}
        self.feed.on_update(JobUpdate(events, scenes, snapshot))

    @precondition(lambda self: self.reads is None and not self.feed.empty)
    @rule()
    def take(self) -> None:
        """The subscriber takes one message."""
        match next_now(self.feed):
            case EventRow() as found:
                assert found.version <= self.position + 1, "an event is missing"
                self.position = max(self.position, found.version)
            case Running() as found:
                assert found == self.expected.pop(found.scene.id), "not the newest progress"
                assert self.position >= self.published, "events go first"
            case Lagged():
                assert self.position < self.published, "no event was dropped"
                self.reads = len(self.committed)
            case Inaccessible():
                raise AssertionError("the job was not deleted")

    @precondition(lambda self: self.reads is not None)
    @rule()
    def receive_state(self) -> None:
        """The subscriber receives the state that it has read; later updates may be buffered already."""
        assert self.reads is not None
        known = self.reads
        assert known >= self.position, "the state is older than the last event"
        self.position, self.reads = known, None
        if self.joined:
            self.feed.forget(known)
        elif self.feed.catch_up(known):
            self.joined = True
        else:
            self.reads = len(self.committed)
        self.expected = {key: each for key, each in self.expected.items() if each.snapshot.version >= known}

    def teardown(self) -> None:
        """The buffer is bounded; and after all updates the subscriber knows the last version."""
        messages = buffered(self.feed, len(self.committed))
        assert sum(isinstance(message, EventRow) for message in messages) <= self.limit
        scenes = [message.scene.id for message in messages if isinstance(message, Running)]
        assert len(scenes) == len(set(scenes))
        self.publish(len(self.committed), set())
        while self.reads is not None or not self.feed.empty:
            if self.reads is not None:
                self.receive_state()
            else:
                self.take()
        assert self.position == len(self.committed)
        assert self.expected == {}


TestSlowSubscriber = SlowSubscriber.TestCase
TestSlowSubscriber.settings = settings(MODEST, max_examples=scaled(100), stateful_step_count=30)


def test_events_are_sent_in_order_and_before_progress() -> None:
    """Also when the progress was received first."""
    feed = Feed()
    first, second, scene = event(1), event(2, "scene_b"), running("scene_a")
    feed.on_update(update(first, running=(scene,)))
    feed.on_update(update(second))
    assert drained(feed) == [first, second, Running(scene, snapshot_at(1))]


def test_only_the_newest_progress_of_a_scene_is_buffered() -> None:
    """Progress may be skipped, never the last one."""
    feed = Feed()
    for percentage in (10.0, 20.0, 30.0):
        feed.on_update(update(running=(running("scene_a", percentage), running("scene_b", 5.0)), version=1))
    newest = [running("scene_a", 30.0), running("scene_b", 5.0)]
    assert drained(feed) == [Running(scene, snapshot_at(1)) for scene in newest]


def test_event_of_a_scene_drops_its_older_progress() -> None:
    """Sent after the event it would be stale; progress of the same update is not."""
    feed = Feed()
    feed.on_update(update(running=(running("scene_a"), running("scene_b")), version=1))
    feed.on_update(update(event(2, "scene_a")))
    feed.on_update(update(event(3, "scene_b"), running=(running("scene_b", 60.0),)))
    expected = [event(2, "scene_a"), event(3, "scene_b"), Running(running("scene_b", 60.0), snapshot_at(3))]
    assert drained(feed) == expected


def test_overflow_is_one_lagged_message() -> None:
    """However many events are dropped; events after the new state are kept."""
    feed = Feed(2)
    for version in range(1, 8):
        feed.on_update(update(event(version)))
    assert next_now(feed) == Lagged()
    feed.forget(6)
    assert drained(feed) == [event(7)]


def test_feed_holds_exactly_its_limit() -> None:
    """One more event overflows."""
    feed = Feed(3)
    feed.on_update(update(event(1), event(2), event(3)))
    assert drained(feed) == [event(1), event(2), event(3)]
    feed.on_update(update(event(4), event(5), event(6), event(7)))
    assert drained(feed) == [Lagged()]


def test_overflow_while_the_state_is_read_is_a_second_lagged_message() -> None:
    """The state is older than the dropped events, so it alone would leave a gap."""
    feed = Feed(2)
    feed.on_update(update(event(1), event(2), event(3)))
    assert next_now(feed) == Lagged()
    feed.on_update(update(event(4), event(5), event(6)))
    feed.forget(3)
    assert drained(feed) == [Lagged()]


def test_overflow_while_catching_up_is_reported_to_the_caller() -> None:
    """The caller then reads the log again."""
    feed = Feed(2)
    feed.on_update(update(event(1), event(2), event(3)))
    assert not feed.catch_up(1)
    feed.on_update(update(event(4)))
    assert feed.catch_up(3)
    assert drained(feed) == [event(4)]


def test_deleted_job_ends_the_feed() -> None:
    """Buffered messages are dropped, and every further message is Inaccessible."""
    feed = Feed()
    feed.on_update(update(event(1), running=(running("scene_a"),)))
    feed.on_update(JobUpdate([], [], None))
    assert [next_now(feed), next_now(feed)] == [Inaccessible(), Inaccessible()]


def test_latest_snapshot_is_remembered() -> None:
    """Whatever was taken or dropped."""
    feed = Feed(1)
    assert feed.latest is None
    feed.on_update(update(event(1), event(2), event(3)))
    assert feed.latest == snapshot_at(3)


async def test_next_waits_for_a_message() -> None:
    """An update without events or progress does not end the wait."""
    feed = Feed()
    waiting = asyncio.create_task(feed.next())
    await asyncio.sleep(0)
    feed.on_update(update(version=1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    feed.on_update(update(event(1)))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert await waiting == event(1)
