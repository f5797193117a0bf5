"""The background work of a server is started again whenever it fails."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from coordinator import coordinator
from coordinator.coordinator import LONGEST_PAUSE_SECONDS, RESTART_SECONDS
from tests.support.server_app import running

pytestmark = pytest.mark.usefixtures("database")


class Over(Exception):
    """Ends the endless loop of the background work."""


async def test_pause_before_a_restart_doubles_and_is_short_again_after_a_long_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that fails at once must not keep a core busy; a failure after hours is not slowed by earlier ones."""
    lasts = [0.0, 0.0, 0.0, 0.0, LONGEST_PAUSE_SECONDS + 1.0, 0.0, *[0.0] * 6]
    pauses: list[float] = []
    time = 0.0

    async def work() -> None:
        nonlocal time
        time += lasts[len(pauses)]
        raise KeyError("defect")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == len(lasts):
            raise Over

    async with running(tmp_path) as app:
        run_forever = getattr(app.container.coordinator, "_run_forever")  # noqa: B009 # private: only its pauses show
        monkeypatch.setattr(coordinator, "time", SimpleNamespace(monotonic=lambda: time))
        monkeypatch.setattr(coordinator, "asyncio", SimpleNamespace(sleep=sleep))
        with pytest.raises(Over):
            await run_forever("work", work)
        monkeypatch.undo()
    doubled = [min(RESTART_SECONDS * 2**number, LONGEST_PAUSE_SECONDS) for number in range(1, 8)]
    assert pauses == [*doubled[:4], RESTART_SECONDS, *doubled]
