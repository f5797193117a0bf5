"""The dependencies of the commands of leased workers, besides the store."""

from typing import NamedTuple

from coordinator.assets.input_files import InputFiles
from coordinator.bus.port import Bus, LeasedWork
from coordinator.leases.claiming import Claiming
from coordinator.leases.passed_over import Counts
from coordinator.leases.registry import Registry
from coordinator.leases.waiting import WaitingRoom
from coordinator.renders.limits import Limits


class LeaseDeps(NamedTuple):
    """The dependencies of the commands of leased workers, besides the store."""

    registry: Registry
    room: WaitingRoom
    claiming: Claiming
    bus: Bus
    limits: Limits
    counts: Counts
    input_files: InputFiles | None = None

    def note_free(self) -> None:
        """Wake the requests that wait because of the limit of the provider."""
        if self.claiming.limit:
            self.bus.publish(LeasedWork())
