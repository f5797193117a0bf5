"""A worker is frozen while it orders, and another takes the take over: one order stays, a second one is canceled."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordinator.bus.port import LocalBus
from coordinator.commands.inputs import SceneTarget
from coordinator.renders import claims, duplicate_orders, lease
from coordinator.renders.adoptions import Adoptions
from coordinator.renders.claim import Claim
from coordinator.renders.deps import RenderDeps
from coordinator.renders.inspections import Inspections
from coordinator.renders.limits import Limits
from coordinator.renders.render import Render
from coordinator.storage.media import MediaStore
from coordinator.webhooks.http_client import HttpClient, Policy
from models.domain.access import LOCAL
from providers.port import Failure, Order
from tests.support.claiming import claim_ticket
from tests.support.domain import OURS, Domain, domain
from tests.support.fake_providers import Fake
from tests.support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

NEVER_SECONDS = 3600.0


class Frozen:
    """A render that stops while it submits its order, and the claim of the worker that takes its take over."""

    def __init__(self, env: Domain, first: Claim) -> None:
        self.fake = Fake()
        self.fake.on_submit = self._freeze
        self.later = first
        self.own_order = f"fake-{first.take_id}"
        self.thawed = asyncio.Event()
        self._frozen = asyncio.Event()
        deps = RenderDeps(
            env.store,
            LocalBus(),
            MediaStore(str(env.folder / "media")),
            {OURS: self.fake},
            Inspections(),
            Adoptions(HttpClient(Policy())),
            Limits(),
        )
        self._render = Render(deps, first)

    async def frozen(self) -> None:
        """Wait until the render submits its order."""
        await self._frozen.wait()

    async def canceled(self) -> list[str]:
        """Let the render go on to its end; return the orders that it has canceled."""
        self.thawed.set()
        await asyncio.wait([asyncio.ensure_future(self._render.finished())])
        return self.fake.canceled

    async def _freeze(self, _order: Order) -> None:
        self._frozen.set()
        await self.thawed.wait()


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


@pytest.fixture(params=["by its next write", "by the look at its lease"])
def learns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the frozen worker learns that it has lost the take."""
    by_write = request.param == "by its next write"
    monkeypatch.setattr(lease, "CHECK_SECONDS", NEVER_SECONDS if by_write else 0.01)
    monkeypatch.setattr(duplicate_orders, "LOOK_SECONDS", 0.01)
    return request.param


async def frozen(env: Domain, learns: str, caplog: pytest.LogCaptureFixture) -> Frozen:
    """Freeze a worker while it orders, and take its take over; let it learn of that before it goes on, if it can."""
    caplog.set_level(logging.INFO, "coordinator.renders")
    await env.a_job(start=True)
    first = await claim_ticket(env.store, env.tickets[-1], "first")
    assert first is not None
    made = Frozen(env, first)
    await made.frozen()
    later = await claim_ticket(env.store, env.tickets[-1], "later")
    assert later is not None
    made.later = later
    if learns == "by the look at its lease":
        await eventually(lambda: "render taken over" in caplog.text)
    return made


@pytest.mark.parametrize("same", [False, True])
async def test_second_order_is_canceled(env: Domain, learns: str, caplog: pytest.LogCaptureFixture, same: bool) -> None:
    """It is bought too late for the other worker to find it; one that this has found is left."""
    made = await frozen(env, learns, caplog)
    await claims.submitted(env.store, made.later, made.own_order if same else "another")
    assert await made.canceled() == ([] if same else [made.own_order])


@pytest.mark.parametrize("same", [False, True])
async def test_order_is_judged_when_the_other_worker_has_one(
    env: Domain, learns: str, caplog: pytest.LogCaptureFixture, same: bool
) -> None:
    """It may still find this order."""
    made = await frozen(env, learns, caplog)
    ended = asyncio.ensure_future(made.canceled())
    await eventually(lambda: "render taken over" in caplog.text)
    assert made.fake.canceled == []
    await claims.submitted(env.store, made.later, made.own_order if same else "another")
    assert await ended == ([] if same else [made.own_order])


@pytest.mark.parametrize("unsettled", [False, True])
async def test_order_of_a_take_that_fails_meanwhile_is_left_to_the_next_take_that_searches_for_it(
    env: Domain, learns: str, caplog: pytest.LogCaptureFixture, unsettled: bool
) -> None:
    """Where no take searches for it, it is canceled."""
    made = await frozen(env, learns, caplog)
    ended = asyncio.ensure_future(made.canceled())
    await eventually(lambda: "render taken over" in caplog.text)
    failure = Failure("PURCHASE_UNKNOWN", "It is not known.", retryable=False, unsettled=unsettled)
    await claims.failed(env.store, made.later, failure, backoff_seconds=0)
    assert await ended == ([] if unsettled else [made.own_order])


async def test_order_of_a_take_that_is_canceled_meanwhile_is_canceled(
    env: Domain, learns: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not needed."""
    made = await frozen(env, learns, caplog)
    await env.scenes.cancel(LOCAL, SceneTarget(made.later.scene_id))
    assert await made.canceled() == [made.own_order]


async def test_order_is_left_when_it_does_not_become_known_whether_it_is_needed(
    env: Domain, learns: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that is paid for and needed must not be canceled."""
    monkeypatch.setattr(duplicate_orders, "GIVE_UP_AFTER_SECONDS", 0.0)
    made = await frozen(env, learns, caplog)
    assert await made.canceled() == []
