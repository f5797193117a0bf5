"""The models of leased workers, for the catalogue: of workers that are known, also when none is connected now.

Models of workers that serve a single owner are left out: other users cannot render with them.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.db import clock
from models.domain.access import LEASED
from models.domain.leases import GONE_AFTER
from models.reads import leases
from models.reads.waiting_for import NO_MODEL, UNHEALTHY
from models.writes.store import Store
from providers.catalogue import Model, any_model

# How long what was read is good enough: every command asks.
FRESH_SECONDS = 2.0


class LeasedModels:
    """A source of the catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read_at = -FRESH_SECONDS
        self._models: tuple[Model, ...] = ()

    async def __call__(self) -> Mapping[str, Sequence[Model]]:
        """Return the models that workers have named; of what they can do nothing else is known."""
        if time.monotonic() - self._read_at >= FRESH_SECONDS:
            self._models = await self._read()
            self._read_at = time.monotonic()
        return {LEASED: self._models}

    async def _read(self) -> tuple[Model, ...]:
        async with self._store.read() as connection:
            workers = await leases.shared_workers(connection)
            instant = await clock.current(connection)
        models = dict[str, Model]()
        for worker in sorted(workers, key=lambda each: each.last_seen_at, reverse=True):
            gone = worker.last_seen_at + GONE_AFTER < instant
            ill = None if worker.unhealthy_reason is None else UNHEALTHY
            reason = NO_MODEL if gone else ill
            for name in worker.models:
                model = models.get(name)
                if model is None or not (model.available or reason):
                    models[name] = replace(any_model(name), available=reason is None, unavailable_reason=reason)
        return tuple(models[name] for name in sorted(models))
