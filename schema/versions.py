"""Which fields change only with the version of their job, so that rendered jobs can be kept by it, and which only with
stored rows, so that answers can be kept until something is written.

Everything that a job shows is written with a new version, except what `models.reads.moving` names. Deleted scenes and
the event log are purged without one, queue positions and ETAs depend on other jobs, and actions on the viewer.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from execution.versions import STORED, VERSIONED, FragmentOf, Versioned
from models.reads import moving
from schema.context import Context


async def _moving(context: Context, job_ids: Sequence[str]) -> Mapping[str, Hashable]:
    return await moving.moving(context.loaders.narrow.source, job_ids)


def _links(context: Context) -> Hashable:
    return context.link.form


def _edition(context: Context) -> Hashable:
    return context.coordinator.catalogue.edition


JOB_FRAGMENT: Final = FragmentOf(id="id", version="version", moves="processing", moving=_moving)

WITH_JOB: Final = {VERSIONED: Versioned()}
"""The metadata of a field that changes with the version of the job only."""

WITH_LINKS: Final = {VERSIONED: Versioned(key=_links)}
"""The metadata of a field with media: its links depend on their address and expire."""

WITH_CATALOGUE: Final = {VERSIONED: Versioned(key=_edition)}
"""The metadata of a field that also shows what is in the catalogue of models."""

WITH_FRAMES: Final = {VERSIONED: Versioned(moving=True, key=_links)}
"""The metadata of a field that shows the newest frame of a running render."""

FROM_ROWS: Final = {STORED: True}
"""The metadata of a field that depends on stored rows only, of whatever job: not on the time."""

OF_LIVE_SCENES: Final = {VERSIONED: Versioned(unless=frozenset({"includeDeleted"}))}
"""The metadata of a list of scenes."""
