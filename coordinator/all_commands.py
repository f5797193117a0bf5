"""All commands, for one operation."""

from typing import TYPE_CHECKING

from coordinator.assets.commands import Assets
from coordinator.commands.batches import Batches
from coordinator.commands.jobs import Jobs
from coordinator.commands.scenes import Scenes
from coordinator.commands.tokens import Tokens
from coordinator.leases.claims import Claims
from coordinator.leases.leases import Leases
from coordinator.webhooks.commands import Webhooks
from models.writes.store import Store

if TYPE_CHECKING:
    from coordinator.coordinator import Coordinator


class Commands:
    """What users can do. An operation uses few of them, which are made when they are used."""

    __slots__ = ("_coordinator", "_store")

    def __init__(self, coordinator: "Coordinator", store: Store) -> None:
        self._coordinator = coordinator
        self._store = store

    @property
    def jobs(self) -> Jobs:
        """The commands on a job."""
        of = self._coordinator
        return Jobs(self._store, of.providers, of.default_provider, of.policy, of.catalogue)

    @property
    def scenes(self) -> Scenes:
        """The commands on a scene."""
        return Scenes(self._store, self._coordinator.policy, self._coordinator.catalogue)

    @property
    def batches(self) -> Batches:
        """The commands on several scenes."""
        return Batches(self._store, self._coordinator.policy, self._coordinator.catalogue)

    @property
    def webhooks(self) -> Webhooks:
        """The commands on webhooks."""
        return self._coordinator.webhooks(self._store)

    @property
    def assets(self) -> Assets:
        """The commands on assets."""
        return self._coordinator.assets(self._store)

    @property
    def claims(self) -> Claims:
        """The claim of takes."""
        return self._coordinator.leasing.claims(self._store)

    @property
    def leases(self) -> Leases:
        """The commands on leases."""
        return self._coordinator.leasing.leases(self._store)

    @property
    def tokens(self) -> Tokens:
        """The commands on access tokens."""
        return self._coordinator.tokens(self._store)
