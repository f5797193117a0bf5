"""The dependencies of a render."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from coordinator.assets.input_files import InputFiles
from coordinator.bus.port import Bus
from coordinator.commands.catalogue import Catalogue
from coordinator.renders.adoptions import Adoptions
from coordinator.renders.deliveries import Deliveries
from coordinator.renders.inspections import Inspections
from coordinator.renders.limits import Limits
from coordinator.storage.media import MediaStore
from coordinator.telemetry.port import NO_TELEMETRY, Telemetry
from models.writes.store import Store
from providers.port import Provider


class RenderDeps(NamedTuple):
    """What all renders of a process share."""

    store: Store
    bus: Bus
    media: MediaStore
    providers: Mapping[str, Provider]
    inspections: Inspections
    adoptions: Adoptions
    limits: Limits
    # How long a worker keeps a render after its last heartbeat; zero when there is only one process.
    lease: timedelta = timedelta(0)
    catalogue: Catalogue = Catalogue()
    # None where no scene has inputs.
    input_files: InputFiles | None = None
    # None without the provider `leased`.
    deliveries: Deliveries | None = None
    telemetry: Telemetry = NO_TELEMETRY
