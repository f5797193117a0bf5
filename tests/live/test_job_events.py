"""Subscription.jobEvents: everything that happens to one job, in order, without holes or repeats."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from strawberry.dataloader import DataLoader

from coordinator.live import hub
from coordinator.live.hub import Hub, JobUpdate
from models.db.database import Connection, Database
from models.db.rows import EventRow, JobRow
from models.db.tables import EVENT
from models.domain.access import LOCAL, SYSTEM
from models.reads import queries
from models.reads.queries import RunningScene
from models.writes.store import Store
from schema.feed import JobSnapshot, SceneProgress
from subscriptions.feed import Feed, Running
from subscriptions.job_events import JobEvents
from tests.support import jobs
from tests.support.client import Json, Stream
from tests.support.internals import context_of, flood, info_of, row_of
from tests.support.job_feed import FEED, ClientView, truth
from tests.support.server_app import App, running

PLAIN = "subscription($id: ID!, $after: Int) { jobEvents(jobId: $id, after: $after) { __typename } }"


@pytest.fixture(autouse=True)
def no_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the periodic resync of the hub off: it would hide that the direct path lost a change."""
    monkeypatch.setattr(hub, "RESYNC_SECONDS", 3_600.0)


async def heard(stream: Stream, number: int) -> list[Json]:
    """The next messages."""
    return [(await stream.next())["jobEvents"] for _ in range(number)]


async def shield_to_completion(stream: Stream) -> list[Json]:
    """All messages until `complete`."""
    return [message["jobEvents"] for message in await stream.rest()]


def events(messages: list[Json]) -> list[tuple[int, str]]:
    """Position and type of each event."""
    return [(message["version"], message["type"]) for message in messages if message["kind"] == "JobEvent"]


async def refusal(app: App, **variables: object) -> Json:
    """The only error of a subscription that is refused."""
    async with app.subscribe(PLAIN, **variables) as stream:
        with pytest.raises(AssertionError) as caught:
            await stream.next()
    (error,) = caught.value.args[0]["payload"]
    return {"code": error["extensions"]["code"], "field": error["extensions"].get("field")}


async def a_log(app: App, length: int) -> str:
    """A job whose log has so many events."""
    made = await jobs.make(app, provider="external")
    for number in range(2, length + 1):
        await app.container.coordinator.commands().jobs.update(LOCAL, made.id, {"title": f"Title {number}"})
    return made.id


async def prune(app: App, job_id: str, below: int) -> None:
    """Delete the events before a version, as retention does."""
    async with app.container.store.write() as connection:
        await connection.execute(sa.delete(EVENT).where(EVENT.c.job_id == job_id, EVENT.c.version < below))


class TestTheStart:
    """What comes first, by what the client says it knows."""

    async def test_without_a_version_the_state_comes_first(self, app: App) -> None:
        """One snapshot that holds everything so far, then what happens."""
        made = await jobs.make(app, jobs.scene("One"), jobs.scene("Two"), provider="external")
        async with app.subscribe(FEED, jobId=made.id) as stream:
            first = await heard(stream, 1)
            await jobs.retitle(app, made.id, "Renamed")
            await jobs.change(app, "updateScene", sceneId=made.scenes[1], prompt="Zwei")
            then = await heard(stream, 2)
        one, two = (
            {"id": scene_id, "title": None, "prompt": prompt, "status": "PENDING"}
            for scene_id, prompt in zip(made.scenes, ("One", "Two"), strict=True)
        )
        job: Json = {"id": made.id, "title": "A day at the coast", "status": "PENDING", "version": 1}
        assert first == [
            {"kind": "JobSnapshot", "reason": "INITIAL", "version": 1, "job": job | {"scenes": {"nodes": [one, two]}}}
        ]
        assert [(each["version"], each["type"], each["scene"]) for each in then] == [
            (2, "JOB_UPDATED", None),
            (3, "SCENE_UPDATED", two | {"prompt": "Zwei", "deletedAt": None}),
        ]

    @pytest.mark.parametrize("after", [0, 1, 3, 4])
    async def test_after_a_known_version_the_missed_events_come_first(self, app: App, after: int) -> None:
        """Each once, then the live ones."""
        job_id = await a_log(app, 4)
        async with app.subscribe(FEED, jobId=job_id, after=after) as stream:
            missed = await heard(stream, 4 - after)
            await jobs.retitle(app, job_id, "Live")
            live = await heard(stream, 1)
        assert events(missed + live) == [
            (version, "JOB_CREATED" if version == 1 else "JOB_UPDATED") for version in range(after + 1, 6)
        ]

    async def test_many_missed_events_come_whole(self, app: App) -> None:
        """More than are read at once, while more are being made."""
        job_id = await a_log(app, 410)
        async with app.subscribe(FEED, jobId=job_id, after=0) as stream:
            begun = await heard(stream, 10)
            await asyncio.gather(*(jobs.retitle(app, job_id, f"Live {number}") for number in range(20)))
            rest = await heard(stream, 420)
        assert [version for version, _ in events(begun + rest)] == list(range(1, 431))

    async def test_a_version_of_the_future_is_answered_with_the_state(self, app: App) -> None:
        """A client that knows more than the server has another database in mind: it starts again."""
        job_id = await a_log(app, 2)
        async with app.subscribe(FEED, jobId=job_id, after=3) as stream:
            (first,) = await heard(stream, 1)
            await jobs.retitle(app, job_id, "Live")
            then = await heard(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "LOG_TRUNCATED", 2)
        assert events(then) == [(3, "JOB_UPDATED")]

    async def test_no_version_and_null_are_the_same(self, app: App) -> None:
        """A client that has no position yet may send its variable all the same."""
        job_id = await a_log(app, 2)
        async with app.subscribe(FEED, jobId=job_id, after=None) as stream:
            (first,) = await heard(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "INITIAL", 2)

    async def test_a_negative_version_is_refused(self, app: App) -> None:
        """With the name of the argument."""
        job_id = await a_log(app, 1)
        assert await refusal(app, id=job_id, after=-1) == {"code": "VALIDATION_FAILED", "field": ["after"]}

    @pytest.mark.parametrize("job_id", ["job_01h455vb4pex5vsknk084sn02q", "scene", "\0"])
    async def test_a_job_that_is_not_there_is_refused(self, app: App, job_id: str) -> None:
        """Nobody waits for the news of nothing."""
        assert await refusal(app, id=job_id) == {"code": "NOT_FOUND", "field": ["jobId"]}
        assert app.container.hub.watchers == 0

    async def test_what_is_told_late_is_not_told_twice(self, app: App) -> None:
        """The state was read when the reader of the job still had to tell of it."""
        made = await jobs.make(app, provider="external")
        store = Gated(app.container.database)
        hub = Hub(store, app.container.bus)
        context = replace(context_of(app), hub=hub)
        async with hub.join(made.id, Feed()):
            store.open.clear()
            await jobs.retitle(app, made.id, "Late")
            feed = JobEvents(info_of(context), await row_of(app, made.id), None, until_settled=False)
            async with aclosing(feed.messages()) as messages:
                first = await anext(messages)
                second = asyncio.ensure_future(anext(messages))
                # The reader waits; the subscriber is through with its own reading once nothing can be done any more.
                done, _ = await asyncio.wait([second], timeout=0.1)
                store.open.set()
                await jobs.retitle(app, made.id, "Live")
                told = [first, await second]
        await hub.stop()
        assert not done
        assert [each.version for each in told if not isinstance(each, SceneProgress)] == [2, 3]


class Gated(Store):
    """A store that can make its readers wait."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.open = asyncio.Event()
        self.open.set()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """Read, when the gate is open."""
        await self.open.wait()
        async with super().read() as connection:
            yield connection


class TestATruncatedLog:
    """The events that a client missed are no longer there."""

    async def test_a_version_older_than_the_log_is_answered_with_the_state(self, app: App) -> None:
        """And with what follows it."""
        job_id = await a_log(app, 6)
        await prune(app, job_id, below=5)
        async with app.subscribe(FEED, jobId=job_id, after=3) as stream:
            (first,) = await heard(stream, 1)
            await jobs.retitle(app, job_id, "Live")
            then = await heard(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "LOG_TRUNCATED", 6)
        assert first["job"]["title"] == "Title 6"
        assert events(then) == [(7, "JOB_UPDATED")]

    async def test_the_oldest_event_that_is_kept_can_still_be_resumed_from(self, app: App) -> None:
        """The client that knows all that was deleted misses nothing."""
        job_id = await a_log(app, 6)
        await prune(app, job_id, below=5)
        async with app.subscribe(FEED, jobId=job_id, after=4) as stream:
            assert events(await heard(stream, 2)) == [(5, "JOB_UPDATED"), (6, "JOB_UPDATED")]

    async def test_a_log_of_which_nothing_is_left_is_truncated_too(self, app: App) -> None:
        """No event to read does not mean that there was none."""
        job_id = await a_log(app, 6)
        await prune(app, job_id, below=7)
        async with app.subscribe(FEED, jobId=job_id, after=3) as stream:
            (first,) = await heard(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "LOG_TRUNCATED", 6)
        async with app.subscribe(FEED, jobId=job_id, after=6) as stream:
            await jobs.retitle(app, job_id, "Live")
            assert events(await heard(stream, 1)) == [(7, "JOB_UPDATED")]


class TestTheEnd:
    """When a stream ends, and when it does not."""

    async def test_it_ends_when_the_job_has_settled(self, app: App) -> None:
        """After everything before that was sent: the very events of the log."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(outcome="fail"))
        async with app.subscribe(FEED, jobId=made.id, untilSettled=True) as stream:
            view = ClientView()
            view.show((await stream.next())["jobEvents"])
            await jobs.change(app, "startJob", jobId=made.id)
            messages = await shield_to_completion(stream)
        for message in messages:
            view.show(message)
        told = events(messages)
        assert told == [(each["version"], each["type"]) for each in await jobs.log(app, made.id, after=made.version)]
        assert told[0] == (2, "JOB_STARTED")
        assert told[-1][1] == "JOB_SETTLED"
        assert view.state() == await truth(app, made.id)
        assert view.job["status"] == "FAILED"

    async def test_it_ends_when_the_job_had_settled_before(self, app: App) -> None:
        """With the state, with what was missed, or with nothing: by what the client knows."""
        made = await jobs.make(app, start=True)
        last = await jobs.at_rest(app, made.id)
        told: list[list[tuple[str, int]]] = []
        for after in (None, last - 1, last, last + 1):
            async with app.subscribe(FEED, jobId=made.id, after=after, untilSettled=True) as stream:
                told.append([(message["kind"], message["version"]) for message in await shield_to_completion(stream)])
        assert told == [[("JobSnapshot", last)], [("JobEvent", last)], [], [("JobSnapshot", last)]]

    async def test_otherwise_it_stays_open(self, app: App) -> None:
        """A settled job may be set going again."""
        made = await jobs.make(app, start=True)
        await jobs.at_rest(app, made.id)
        async with app.subscribe(FEED, jobId=made.id) as stream:
            await heard(stream, 1)
            await jobs.change(app, "regenerateScene", sceneId=made.scenes[0])
            types: list[str] = []
            while types[-1:] != ["JOB_SETTLED"]:
                types += [kind for _, kind in events(await heard(stream, 1))]
        assert types == ["SCENE_REGENERATED", "SCENE_STARTED", "SCENE_UPDATED", "SCENE_COMPLETED", "JOB_SETTLED"]

    async def test_a_job_that_is_set_going_before_all_was_sent_goes_on(self, app: App) -> None:
        """Settled means at rest now, not once."""
        made = await jobs.make(app, provider="external")
        (scene_id,) = made.scenes
        await jobs.change(app, "updateScene", sceneId=scene_id, status="COMPLETED")
        version = await jobs.change(app, "regenerateScene", sceneId=scene_id)
        async with app.subscribe(FEED, jobId=made.id, after=1, untilSettled=True) as stream:
            missed = await heard(stream, version - 1)
            await jobs.change(app, "cancelScene", sceneId=scene_id)
            rest = await shield_to_completion(stream)
        assert [kind for _, kind in events(missed)].count("JOB_SETTLED") == 1
        assert events(rest) == [(version + 1, "SCENE_CANCELED"), (version + 2, "JOB_SETTLED")]


@asynccontextmanager
async def deaf(app: App, document: str, **variables: object) -> AsyncGenerator[Stream]:
    """A subscriber whose client does not read: the server can soon send no more."""
    async with app.subscribe(document, **variables) as stream:
        stream.socket.transport.pause_reading()
        yield stream


class TestAClientThatFallsBehind:
    """More happens than is remembered for it."""

    async def test_it_is_told_the_state_in_place_of_what_was_dropped(self, tmp_path: Path) -> None:
        """Events in order, one snapshot in the gap, events in order: folded, what the database says."""
        # Copies of the title make messages of 40 KB, of which the kernel takes only some.
        wide = FEED.replace(
            "fragment J on Job {", f"fragment J on Job {{ {' '.join(f't{n}: title' for n in range(200))}"
        )
        room: Json = {"limit_aliases": 1_000, "limit_tokens": 10_000}
        async with running(tmp_path, subscriber_events=8, **room) as app:
            made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
            async with deaf(app, wide, jobId=made.id) as stream:
                for number in range(60):
                    await jobs.retitle(app, made.id, f"{number} {'x' * 190}")
                    scene_id = made.scenes[number % 2]
                    await jobs.change(app, "updateScene", sceneId=scene_id, prompt=f"Prompt {number}")
                stream.socket.transport.resume_reading()
                view = ClientView()
                while view.version != 121:
                    view.show((await stream.next())["jobEvents"])
            assert view.reasons == ["INITIAL", "LAGGED"]
            job, scenes = view.state()
            assert ({name: job[name] for name in ("id", "title", "status", "version")}, scenes) == await truth(
                app, made.id
            )

    async def test_falling_behind_again_while_the_state_is_read_leaves_no_hole(self, app: App) -> None:
        """Whatever is dropped after the state was read is made up for by another."""
        made = await jobs.make(app, provider="external")
        context = context_of(app, buffered_events=2)
        real = context.loaders.job

        async def read_and_dawdle(job_ids: list[str]) -> list[JobRow | None]:
            """Read the job, and answer when more than fits has happened since."""
            rows = [await real.load(job_id) for job_id in job_ids]
            await flood(app, made.id, 5)
            return rows

        feed = JobEvents(info_of(context), await row_of(app, made.id), None, until_settled=False)
        async with aclosing(feed.messages()) as messages:
            await anext(messages)
            live = asyncio.ensure_future(anext(messages))
            await jobs.retitle(app, made.id, "Live")
            await live
            await flood(app, made.id, 5)
            context.loaders.job = DataLoader(read_and_dawdle, cache=False)
            second = await anext(messages)
            context.loaders.job = real
            third = await anext(messages)
        assert isinstance(second, JobSnapshot)
        assert isinstance(third, JobSnapshot)
        assert [second.reason, third.reason] == ["LAGGED", "LAGGED"]
        assert third.version == (await row_of(app, made.id)).version


class TestFractions:
    """SceneProgress: beside the log, and never in conflict with it."""

    async def test_they_never_go_back_and_end_with_the_take(self, app: App) -> None:
        """Through failures and retries, for whoever joins whenever."""
        chance = jobs.seeded("fractions")
        plays: list[Json] = [{"steps": 12, "stepSeconds": 0.06}, {"steps": 7, "stepSeconds": 0.11, "failTakes": 1}]
        made = await jobs.make(app, *(jobs.scene(**play) for play in plays), start=True)
        told = await asyncio.gather(*(joined_late(app, made.id, chance.uniform(0, 1.2)) for _ in range(5)))
        for messages in told:
            assert_fractions_fit(messages)
        takes = {
            message["takeNumber"] for messages in told for message in messages if message["kind"] == "SceneProgress"
        }
        assert takes == {1, 2}

    async def test_what_is_older_than_the_state_is_not_told(self, app: App) -> None:
        """The fraction that was read before the scene was completed does not follow the state that has it completed."""
        made = await jobs.make(app, provider="external")
        await jobs.change(app, "updateScene", sceneId=made.scenes[0], status="PROCESSING")
        feed = Feed()
        feed.on_update(await news(app, made.id, running={made.scenes[0]: 50.0}))
        version = await jobs.change(app, "updateScene", sceneId=made.scenes[0], status="COMPLETED")
        assert not feed.empty
        feed.forget(version)
        assert feed.empty

    async def test_what_is_not_logged_is_not_all_kept(self, app: App) -> None:
        """A slow client gets the newest fraction of each scene, and what was logged goes first."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        feed = Feed()
        one, two = made.scenes
        for percentage in (10.0, 20.0, 30.0):
            feed.on_update(await news(app, made.id, running={one: percentage, two: percentage / 2}))
        feed.on_update(await news(app, made.id, after=0))
        told = [await feed.next() for _ in range(3)]
        assert feed.empty
        assert isinstance(told[0], EventRow)
        assert [each.scene.percentage for each in told[1:] if isinstance(each, Running)] == [30.0, 15.0]

    async def test_an_event_of_the_scene_takes_the_place_of_its_fraction(self, app: App) -> None:
        """Unless the scene still runs."""
        made = await jobs.make(app, provider="external")
        (scene_id,) = made.scenes
        feed = Feed()
        feed.on_update(await news(app, made.id, running={scene_id: 10.0}))
        version = await jobs.change(app, "updateScene", sceneId=scene_id, status="COMPLETED")
        feed.on_update(await news(app, made.id, after=made.version))
        told = [await feed.next() for _ in range(version - made.version)]
        assert all(isinstance(each, EventRow) for each in told)
        assert feed.empty


class TestWhateverHappens:
    """Chance plays the writers and the network."""

    async def test_every_version_is_seen_once_and_in_order(self, tmp_path: Path) -> None:
        """By clients that are cut off and come back with any position, while three writers change the job."""
        chance = jobs.seeded("chaos")
        async with running(tmp_path, subscriber_events=6, event_retention_versions=10_000) as app:
            made = await jobs.make(app, *(jobs.scene(f"Scene {n}") for n in range(4)), provider="external")
            finished = asyncio.Event()
            watchers = [
                asyncio.create_task(comes_and_goes(app, made.id, random.Random(chance.random()), finished))
                for _ in range(4)
            ]
            accepted = await asyncio.gather(
                *(writes(app, made.id, random.Random(chance.random()), 40) for _ in range(3))
            )
            finished.set()
            views = await asyncio.gather(*watchers)
            expected = await truth(app, made.id)
            log = await jobs.log(app, made.id, "version")
        assert sum(accepted) >= 50
        assert [event["version"] for event in log] == list(range(1, expected[0]["version"] + 1))
        assert [view.state() for view in views] == [expected] * len(views)
        assert sum(view.connections for view in views) > 2 * len(views)


async def news(app: App, job_id: str, running: dict[str, float] | None = None, after: int | None = None) -> JobUpdate:
    """What the reader of a job would tell its watchers now, with these fractions."""
    async with app.container.store.read() as connection:
        reading = (await queries.progress_snapshots(connection, SYSTEM, [job_id]))[job_id]
        events = [] if after is None else await queries.events_after(connection, job_id, after, 100)
    scenes = [RunningScene(id_, "take", 1, percentage, None) for id_, percentage in (running or {}).items()]
    return JobUpdate(events, scenes, reading)


async def joined_late(app: App, job_id: str, seconds: float) -> list[Json]:
    """All that somebody is told who comes after a while."""
    await asyncio.sleep(seconds)
    async with app.subscribe(FEED, jobId=job_id, untilSettled=True) as stream:
        return await shield_to_completion(stream)


def assert_fractions_fit(messages: list[Json]) -> None:
    """Fractions only of takes that run, and each at least as far as the one before."""
    furthest: dict[tuple[str, int], float] = {}
    running: set[str] = set()
    for message in messages:
        match message["kind"]:
            case "JobSnapshot":
                running = {each["id"] for each in message["job"]["scenes"]["nodes"] if each["status"] == "PROCESSING"}
            case "JobEvent" if message["scene"] is not None:
                (running.add if message["type"] in ("SCENE_STARTED", "SCENE_UPDATED") else running.discard)(
                    message["scene"]["id"]
                )
            case "SceneProgress":
                assert message["sceneId"] in running
                take = (message["sceneId"], message["takeNumber"])
                assert message["percentage"] >= furthest.get(take, 0.0)
                furthest[take] = message["percentage"]
            case _:
                pass


class Cut(ClientView):
    """The view of a client that comes back."""

    connections = 0


async def comes_and_goes(app: App, job_id: str, chance: random.Random, finished: asyncio.Event) -> Cut:
    """Follow a job over many connections, each begun with some position and ended somehow; then to its end."""
    view = Cut()
    while not finished.is_set() or view.connections < 3:
        seen = view.version
        after = chance.choice([None, 0, seen, seen, seen, chance.randint(0, seen or 0), (seen or 0) + 1_000])
        view.resume(after)
        view.connections += 1
        async with app.subscribe(FEED, jobId=job_id, after=after) as stream:
            await reads_some(stream, view, chance)
            if chance.random() < 0.5:
                stream.socket.transport.abort()
        if view.version == after and after != seen:
            view.resume(None)
    async with app.subscribe(FEED, jobId=job_id, after=view.version, untilSettled=True) as stream:
        for message in await shield_to_completion(stream):
            view.show(message)
    return view


async def reads_some(stream: Stream, view: ClientView, chance: random.Random) -> None:
    """Read until chance, or silence, ends it; and pause at times, as a busy client does."""
    for _ in range(chance.randint(1, 60)):
        try:
            async with asyncio.timeout(0.2):
                view.show((await stream.next())["jobEvents"])
        except TimeoutError:
            return
        if chance.random() < 0.02:
            await asyncio.sleep(chance.uniform(0, 0.3))


async def writes(app: App, job_id: str, chance: random.Random, times: int) -> int:
    """Change a job at random; answers how often it was accepted. At last it is canceled, so that it settles."""
    accepted = 0
    for number in range(times):
        scenes = (await jobs.job(app, job_id, "scenes { nodes { id } }"))["scenes"]["nodes"]
        scene_id = chance.choice(scenes)["id"] if scenes else "scene"
        name, fields = chance.choice(changes(chance, number, job_id, scene_id))
        payload = await app.mutate(name, "errors { code }", **fields)
        accepted += not payload["errors"]
    await app.mutate("cancelJob", "errors { code }", jobId=job_id)
    return accepted


def changes(chance: random.Random, number: int, job_id: str, scene_id: str) -> list[tuple[str, Json]]:
    """What a writer may do next, as name and input of a mutation."""
    status = chance.choice(["PROCESSING", "COMPLETED", "FAILED", "CANCELED"])
    return [
        ("updateJob", {"jobId": job_id, "title": f"Title {number} {chance.random()}"}),
        ("updateScene", {"sceneId": scene_id, "prompt": f"Prompt {number} {chance.random()}"}),
        ("updateScene", {"sceneId": scene_id, "status": status}),
        ("updateScene", {"sceneId": scene_id, "status": "PROCESSING", "percentage": chance.uniform(0, 100)}),
        ("regenerateScene", {"sceneId": scene_id}),
        ("regenerateScene", {"sceneId": scene_id, "prompt": f"Again {number}"}),
        ("cancelScene", {"sceneId": scene_id}),
        ("deleteScene", {"sceneId": scene_id}),
        ("addScene", {"jobId": job_id, "scene": {"prompt": f"Added {number}"}}),
        ("moveScene", {"sceneId": scene_id, "position": 0}),
        ("cancelJob", {"jobId": job_id}),
    ]
