"""A host that sends slowly keeps neither the clips of other hosts waiting, nor those of other owners."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from coordinator.queue.lanes import ADOPTIONS_AT_ONCE
from coordinator.queue.port import Snooze
from coordinator.renders import adoption_places
from coordinator.renders.adoption_places import MOST_OF_HOST, MOST_OF_OWNER, AdoptionPlaces
from models.db.rows import SceneRow
from tests.support import jobs
from tests.support.adopting import a_started_job, deliver
from tests.support.clip_host import Gate, Host, delivered, hosting
from tests.support.server_app import running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


@pytest_asyncio.fixture(loop_scope="module")
async def slow() -> AsyncGenerator[Host]:
    """A host of its own."""
    async with hosting() as host:
        yield host


@pytest.mark.sqlite_alone
async def test_slow_host_leaves_places_for_others(
    tmp_path: Path, host: Host, slow: Host, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has more clips than are fetched at once; that of another host is adopted meanwhile, and then all of them."""
    monkeypatch.setattr(adoption_places, "WAIT_SECONDS", 0.2)
    gate = Gate(delivered(clip))
    host.files["/clip"] = delivered(clip)
    async with running(tmp_path) as app:
        made = await a_started_job(app, ADOPTIONS_AT_ONCE + 1)
        for scene_id in made.scenes:
            slow.files[f"/{scene_id}"] = gate
            await deliver(app, scene_id, outputUrl=slow.url(f"/{scene_id}"))
        await slow.receiver.count(MOST_OF_HOST)
        other = await a_started_job(app)
        await deliver(app, other.scenes[0], outputUrl=host.url("/clip"))
        assert await jobs.settled(app, other.id) == "COMPLETED"
        assert len(slow.asked) == MOST_OF_HOST
        gate.opened.set()
        assert await jobs.settled(app, made.id) == "COMPLETED"


def a_scene(owner_id: str, url: str) -> SceneRow:
    return SceneRow._make([None] * len(SceneRow._fields))._replace(owner_id=owner_id, output={"url": url})


@pytest.mark.sqlite_alone
async def test_owner_with_slow_hosts_leaves_a_place_for_others() -> None:
    """Also with a host for each clip; a place is free again when its clip is done."""
    places = AdoptionPlaces()
    with ExitStack() as taken:
        for number in range(MOST_OF_OWNER):
            taken.enter_context(places.taken(a_scene("ann", f"https://host-{number}.test/clip")))
        with pytest.raises(Snooze), places.taken(a_scene("ann", "https://host-9.test/clip")):
            raise AssertionError
        with places.taken(a_scene("bob", "https://host-0.test/clip")):
            pass
    with places.taken(a_scene("ann", "https://host-9.test/clip")):
        pass


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("same", ["https://HOST.test/b", "https://user:word@host.test/b"])
async def test_host_is_recognised_in_other_spellings(same: str) -> None:
    """Letter case and credentials do not matter."""
    places = AdoptionPlaces()
    with ExitStack() as taken:
        for number in range(MOST_OF_HOST):
            taken.enter_context(places.taken(a_scene(f"owner {number}", "https://host.test/a")))
        with pytest.raises(Snooze), places.taken(a_scene("cid", same)):
            raise AssertionError
