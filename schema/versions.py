"""Which fields change only with the version of their job, so that rendered jobs can be kept by it.

Everything that a job shows is written with a new version, except what `models.reads.moving` names. Deleted scenes and
the event log are purged without one, queue positions and ETAs depend on other jobs, and actions on the viewer.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from execution.versions import VERSIONED, FragmentOf, Versioned
from models.reads import moving
from schema.context import Context


async def _moving(context: Context, job_ids: Sequence[str]) -> Mapping[str, Hashable]:
    return await moving.moving(context.loaders.narrow.source, job_ids)


def _links(context: Context) -> Hashable:
    return context.link.form


JOB_FRAGMENT: Final = FragmentOf(id="id", version="version", moves="processing", moving=_moving)

WITH_JOB: Final = {VERSIONED: Versioned()}
"""The metadata of a field that changes with the version of the job only."""

WITH_LINKS: Final = {VERSIONED: Versioned(key=_links)}
"""The metadata of a field with media: its links depend on their address and expire."""

WITH_FRAMES: Final = {VERSIONED: Versioned(moving=True, key=_links)}
"""The metadata of a field that shows the newest frame of a running render."""

OF_LIVE_SCENES: Final = {VERSIONED: Versioned(unless=frozenset({"includeDeleted"}))}
"""The metadata of a list of scenes."""
