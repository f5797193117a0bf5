"""The latest value of a shared stream."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from models.domain.errors import NotFound
from subscriptions import shared_latest
from subscriptions.shared_latest import SharedLatest


async def test_value_that_returns_is_sent_to_those_that_joined_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value was A when it was sent last, is B for one that joins, and A again before the others get B."""
    values = iter("ABA")

    class Hub:
        @asynccontextmanager
        async def join(self, *_: object) -> AsyncGenerator[int]:
            yield 0

    class Context:
        hub = Hub()
        viewer = None

    async def find() -> str:
        return "job"

    async def read(_job_id: str) -> tuple[object, object]:
        value = next(values)
        return value, value

    async def at_once(_context: object, call: Any) -> Any:
        return await call()

    monkeypatch.setattr(shared_latest, "read_when_available", at_once)
    source = SharedLatest(cast("Any", Context()), find, read, lambda: NotFound("gone", ["id"], "id"), 0.0)
    async with source.joined():
        states = [await source.state(lagged=False) for _ in range(2)]
        assert [each and each.value for each in states] == ["A", "B"]
        taken = await source.take()
    assert taken is not None
    assert taken.value == "A"
