"""The deliverer looks at the database when deliveries were written, apart from its regular look."""

import asyncio
from typing import Any

import pytest

from coordinator.bus.port import DeliveriesDue, Hint, Message
from coordinator.webhooks import deliverer, deliveries
from tests.support import jobs
from tests.support.server_app import App
from tests.support.webhook_calls import hook
from tests.support.webhook_receiver import Receiver


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The looks at what is due; in this test there is no regular one."""
    found: list[object] = []
    due: Any = deliveries.due

    async def counted(*arguments: Any) -> Any:
        found.append(arguments)
        return await due(*arguments)

    monkeypatch.setattr(deliverer, "POLL_SECONDS", 3_600.0)
    monkeypatch.setattr(deliveries, "due", counted)
    return found


async def test_change_without_a_delivery_does_not_wake_the_deliverer(
    looks: list[object], app: App, receiver: Receiver
) -> None:
    """No webhook, or one for other events; the change that a webhook subscribes to is delivered."""
    messages: list[Message] = []
    stop = app.container.bus.listen(messages.append)
    made = await jobs.make(app)
    await hook(app, receiver.url, "JOB_SETTLED")
    await asyncio.sleep(4 * deliverer.GATHER_SECONDS)
    before = len(looks)
    version = await jobs.retitle(app, made.id, "Renamed")
    assert Hint(made.id, version) in messages
    assert DeliveriesDue() not in messages[messages.index(Hint(made.id, version)) :]
    await asyncio.sleep(4 * deliverer.GATHER_SECONDS)
    assert len(looks) == before
    await hook(app, receiver.url, "JOB_UPDATED")
    version = await jobs.retitle(app, made.id, "Renamed again")
    (received,) = await receiver.count(1)
    assert received.place == (made.id, version)
    assert DeliveriesDue() in messages
    assert len(looks) > before
    stop()
