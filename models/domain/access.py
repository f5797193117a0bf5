"""Who may see and change what. Pure: the queries turn these answers into conditions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

# The provider whose scenes are rendered by somebody else's workers, who report on them.
EXTERNAL = "external"


class Role(StrEnum):
    """What a token can say that its subject is."""

    USER = "user"
    WORKER = "worker"
    ADMIN = "admin"


class Act(StrEnum):
    """What somebody wants to do to a job or to something in it."""

    CHANGE = "CHANGE"
    """Anything that its owner may do."""

    REPORT = "REPORT"
    """Tell how a render goes, in the fields that are there for it."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """On whose behalf something is read or done."""

    id: str
    name: str
    roles: tuple[str, ...]

    @property
    def sees_all(self) -> bool:
        """Whether jobs of other owners are visible too."""
        return Role.ADMIN in self.roles or "system" in self.roles

    @property
    def works(self) -> bool:
        """Whether it reports on the external scenes of others."""
        return Role.WORKER in self.roles


class Owned(Protocol):
    """A job, as far as the answers below depend on it."""

    @property
    def owner_id(self) -> str:
        """Who made it."""
        ...

    @property
    def provider(self) -> str:
        """What renders its scenes."""
        ...

    @property
    def deleted_at(self) -> datetime | None:
        """Since when only its owner knows of it."""
        ...


LOCAL = Viewer(id="local", name="Local developer", roles=("admin",))
SYSTEM = Viewer(id="system", name="Scenewire", roles=("system",))


def may_see(viewer: Viewer, job: Owned) -> bool:
    """Whether this job exists as far as the viewer can tell; `queries.visible` says the same in SQL."""
    reports = viewer.works and job.provider == EXTERNAL and job.deleted_at is None
    return owns(viewer, job.owner_id) or reports


def may_do(viewer: Viewer, job: Owned, act: Act) -> bool:
    """Whether the viewer may do this to a job, or to something in it, that it sees."""
    return act is Act.REPORT or owns(viewer, job.owner_id)


def owns(viewer: Viewer, owner_id: str) -> bool:
    """Whether the viewer may do to a job of this owner whatever its owner may."""
    return viewer.sees_all or viewer.id == owner_id
