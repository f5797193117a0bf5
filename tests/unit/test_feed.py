"""A subscriber's bounded memory, between a job that goes on and a reader who may be slow."""

import asyncio
import copy
from datetime import UTC, datetime
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from coordinator.live.hub import JobUpdate
from models.db.rows import EventRow
from models.domain.events import EventType
from models.domain.lifecycle import JobStatus
from models.domain.progress import ProgressSnapshot
from models.reads.queries import RunningScene
from subscriptions.feed import Feed, Gone, Lagged, Running
from tests.support.property_settings import MODEST

Message = EventRow | Running | Lagged | Gone

WHEN = datetime(2026, 1, 31, tzinfo=UTC)
SCENES = ("scene_a", "scene_b", "scene_c")


def event(version: int, scene_id: str | None = None) -> EventRow:
    return EventRow("job_1", version, EventType.SCENE_UPDATED, scene_id, None, [], WHEN)


def running(scene_id: str, percentage: float = 50.0) -> RunningScene:
    return RunningScene(scene_id, "take_1", 1, percentage, None)


def reading(version: int) -> ProgressSnapshot:
    return ProgressSnapshot(
        "job_1", "local", "local", JobStatus.PROCESSING, 0, 1, 0, 0, 0, 0, version, WHEN, 0.0, 0.0, False
    )


def news(*events: EventRow, running: tuple[RunningScene, ...] = (), version: int | None = None) -> JobUpdate:
    """What a reader found when the job was at `version`, the last event's unless told."""
    return JobUpdate(events, running, reading(events[-1].version if version is None else version))


def at_once(feed: Feed) -> Message:
    """The next thing to send, which must be there already."""
    coroutine = feed.next()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("there was nothing to send")


def drained(feed: Feed) -> list[Message]:
    """Everything that can be sent without hearing or reading more."""
    messages: list[Message] = []
    while not feed.empty:
        messages.append(at_once(feed))
        if isinstance(messages[-1], Lagged):
            break
    return messages


def kept(feed: Feed, versions: int) -> list[Message]:
    """Everything that is in memory, also behind what was dropped."""
    feed, version = copy.deepcopy(feed), 0
    while drained(copy.deepcopy(feed))[:1] == [Lagged()]:
        version += 1
        assert version <= versions
        feed.forget(version)
    return drained(feed)


class SlowReader(RuleBasedStateMachine):
    """A job that changes, a hub that tells of it in portions, and a subscriber who takes what it likes when it likes.

    The subscriber does what jobEvents does: it joins, then reads the state, then takes; when it lagged it reads the
    state again. Others go on while it reads. What it learns must always follow on what it knew.
    """

    def __init__(self) -> None:
        super().__init__()
        self.limit = 0
        self.feed = Feed()
        self.committed: list[EventRow] = []
        self.told = 0
        self.joined = False
        self.position = 0
        self.reads: int | None = None
        self.expected: dict[str, Running] = {}
        self.percentages = count(1)

    @initialize(limit=st.integers(1, 5), before=st.integers(0, 4))
    def join(self, limit: int, before: int) -> None:
        """Join a job that has a history, of which the hub does not tell; then read the state."""
        self.limit, self.feed = limit, Feed(limit)
        self.commit([None] * before)
        self.told = before
        self.reads = before

    @rule(scene_ids=st.lists(st.none() | st.sampled_from(SCENES), min_size=1, max_size=4))
    def commit(self, scene_ids: list[str | None]) -> None:
        """The job changes; nobody was told yet."""
        for scene_id in scene_ids:
            self.committed.append(event(len(self.committed) + 1, scene_id))

    @rule(portion=st.integers(0, 8), scene_ids=st.sets(st.sampled_from(SCENES)))
    def tell(self, portion: int, scene_ids: set[str]) -> None:
        """The hub reads some of what is new, oldest first, and scenes that got on meanwhile."""
        events = self.committed[self.told : self.told + portion]
        scenes = [running(scene_id, float(next(self.percentages))) for scene_id in sorted(scene_ids)]
        self.told += len(events)
        stands = reading(len(self.committed))
        for found in events:
            self.expected.pop(found.scene_id or "", None)
        self.expected |= {scene.id: Running(scene, stands) for scene in scenes}
        self.feed.on_update(JobUpdate(events, scenes, stands))

    @precondition(lambda self: self.reads is None and not self.feed.empty)
    @rule()
    def take(self) -> None:
        """The subscriber takes one thing."""
        match at_once(self.feed):
            case EventRow() as found:
                assert found.version <= self.position + 1, "a hole"
                self.position = max(self.position, found.version)
            case Running() as found:
                assert found == self.expected.pop(found.scene.id), "not the newest"
                assert self.position >= self.told, "what was logged goes first"
            case Lagged():
                assert self.position < self.told, "nothing was missed"
                self.reads = len(self.committed)
            case Gone():
                raise AssertionError("nobody deleted the job")

    @precondition(lambda self: self.reads is not None)
    @rule()
    def arrive(self) -> None:
        """The state that was asked for arrives; more may have been told since."""
        assert self.reads is not None
        known = self.reads
        assert known >= self.position, "back in time"
        self.position, self.reads = known, None
        if self.joined:
            self.feed.forget(known)
        elif self.feed.catch_up(known):
            self.joined = True
        else:
            self.reads = len(self.committed)
        self.expected = {key: each for key, each in self.expected.items() if each.snapshot.version >= known}

    def teardown(self) -> None:
        """However it ends, little is kept; and told everything, the subscriber ends up knowing everything."""
        messages = kept(self.feed, len(self.committed))
        assert sum(isinstance(message, EventRow) for message in messages) <= self.limit
        scenes = [message.scene.id for message in messages if isinstance(message, Running)]
        assert len(scenes) == len(set(scenes))
        self.tell(len(self.committed), set())
        while self.reads is not None or not self.feed.empty:
            if self.reads is not None:
                self.arrive()
            else:
                self.take()
        assert self.position == len(self.committed)
        assert self.expected == {}


TestSlowReader = SlowReader.TestCase
TestSlowReader.settings = settings(MODEST, max_examples=100, stateful_step_count=30)


def test_events_come_in_order_and_before_what_is_not_logged() -> None:
    """A reader sees what led to a state before the state."""
    feed = Feed()
    first, second, scene = event(1), event(2, "scene_b"), running("scene_a")
    feed.on_update(news(first, running=(scene,)))
    feed.on_update(news(second))
    assert drained(feed) == [first, second, Running(scene, reading(1))]


def test_of_a_running_scene_only_the_newest_state_is_kept() -> None:
    """Fractions may be skipped, never the last one."""
    feed = Feed()
    for percentage in (10.0, 20.0, 30.0):
        feed.on_update(news(running=(running("scene_a", percentage), running("scene_b", 5.0)), version=1))
    newest = [running("scene_a", 30.0), running("scene_b", 5.0)]
    assert drained(feed) == [Running(scene, reading(1)) for scene in newest]


def test_a_scene_that_runs_no_longer_is_not_said_to_run() -> None:
    """After its event a stale fraction would be a step back; one of the same reading is not stale."""
    feed = Feed()
    feed.on_update(news(running=(running("scene_a"), running("scene_b")), version=1))
    feed.on_update(news(event(2, "scene_a")))
    feed.on_update(news(event(3, "scene_b"), running=(running("scene_b", 60.0),)))
    expected = [event(2, "scene_a"), event(3, "scene_b"), Running(running("scene_b", 60.0), reading(3))]
    assert drained(feed) == expected


def test_what_does_not_fit_is_told_once() -> None:
    """However much is dropped, it becomes one message, and what follows the new state is kept."""
    feed = Feed(2)
    for version in range(1, 8):
        feed.on_update(news(event(version)))
    assert at_once(feed) == Lagged()
    feed.forget(6)
    assert drained(feed) == [event(7)]


def test_exactly_the_limit_fits() -> None:
    """The limit is a number of events that can wait, not one less."""
    feed = Feed(3)
    feed.on_update(news(event(1), event(2), event(3)))
    assert drained(feed) == [event(1), event(2), event(3)]
    feed.on_update(news(event(4), event(5), event(6), event(7)))
    assert drained(feed) == [Lagged()]


def test_what_is_dropped_while_the_state_is_read_is_told_again() -> None:
    """The state that arrives is older than what was dropped, so it alone would leave a hole."""
    feed = Feed(2)
    feed.on_update(news(event(1), event(2), event(3)))
    assert at_once(feed) == Lagged()
    feed.on_update(news(event(4), event(5), event(6)))
    feed.forget(3)
    assert drained(feed) == [Lagged()]


def test_what_is_dropped_before_the_first_state_is_read_again() -> None:
    """Catching up says whether it is complete, so that the log is read once more if not."""
    feed = Feed(2)
    feed.on_update(news(event(1), event(2), event(3)))
    assert not feed.catch_up(1)
    feed.on_update(news(event(4)))
    assert feed.catch_up(3)
    assert drained(feed) == [event(4)]


def test_a_job_that_is_gone_ends_everything() -> None:
    """Nothing that waits is of interest any more, and it stays so."""
    feed = Feed()
    feed.on_update(news(event(1), running=(running("scene_a"),)))
    feed.on_update(JobUpdate([], [], None))
    assert [at_once(feed), at_once(feed)] == [Gone(), Gone()]


def test_the_latest_reading_is_remembered() -> None:
    """How the job stands is known whatever was taken or dropped."""
    feed = Feed(1)
    assert feed.latest is None
    feed.on_update(news(event(1), event(2), event(3)))
    assert feed.latest == reading(3)


async def test_a_reader_waits_until_there_is_something() -> None:
    """News wakes it; news of nothing does not."""
    feed = Feed()
    waiting = asyncio.create_task(feed.next())
    await asyncio.sleep(0)
    feed.on_update(news(version=1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    feed.on_update(news(event(1)))
    async with asyncio.timeout(5):
        assert await waiting == event(1)
