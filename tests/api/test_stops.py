"""A server inside the event loop of the test stops although its parts do not."""

import asyncio
import logging
from pathlib import Path

import pytest

from coordinator import coordinator
from coordinator.coordinator import Coordinator
from coordinator.webhooks.deliverer import Deliverer
from models.db.cancellation import shield_to_completion
from tests.support.server_app import running
from tests.support.waiting import TIMEOUT_SECONDS


async def test_hand_over_leaves_behind_what_ignores_its_cancellation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Dispatch and webhook deliveries have a limit each; one line of the log names each of them."""
    caplog.set_level(logging.WARNING)
    over = asyncio.Event()

    async def be_over() -> None:
        await over.wait()

    async def hang(_owner: object) -> None:
        await shield_to_completion(be_over())

    monkeypatch.setattr(coordinator, "HAND_OVER_SECONDS", 0.1)
    monkeypatch.setattr(coordinator, "DELIVERER_STOP_SECONDS", 0.1)
    monkeypatch.setattr(Coordinator, "_dispatch", hang)
    monkeypatch.setattr(Deliverer, "stop", hang)
    async with running(tmp_path) as app:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.shield(app.container.coordinator.hand_over())
        finally:
            # The event loop waits for them at its end, also when the test has failed.
            over.set()
    given_up = [getattr(each, "part", "") for each in caplog.records if getattr(each, "action", "") == "stop.gave_up"]
    assert sorted(given_up) == ["dispatch", "webhook deliveries"]
