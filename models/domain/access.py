"""Authorization: what a viewer may see and change. Pure; `queries.visible` states the same as SQL conditions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

# The provider whose scenes are rendered by external workers, which report by updateScene.
EXTERNAL = "external"
# The provider whose takes are rendered by workers that lease them.
LEASED = "leased"


class Role(StrEnum):
    """The roles that a token can grant."""

    USER = "user"
    WORKER = "worker"
    ADMIN = "admin"


class Act(StrEnum):
    """The kinds of changes that are authorized separately."""

    CHANGE = "CHANGE"
    """Any change that the owner of a job may make."""

    REPORT = "REPORT"
    """Report on a render: status, progress, provider id, output, failure."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The principal of a read or a change."""

    id: str
    name: str
    roles: tuple[str, ...]

    @property
    def sees_all(self) -> bool:
        """Whether jobs of all owners are visible."""
        return Role.ADMIN in self.roles or "system" in self.roles

    @property
    def is_worker(self) -> bool:
        """Whether external scenes of all owners are visible, to report on them."""
        return Role.WORKER in self.roles


class Owned(Protocol):
    """The columns of a job that authorization depends on."""

    @property
    def owner_id(self) -> str:
        """The viewer that created the job."""
        ...

    @property
    def provider(self) -> str:
        """The provider that renders its scenes."""
        ...

    @property
    def deleted_at(self) -> datetime | None:
        """The instant of its deletion; a deleted job is visible to its owner only."""
        ...


LOCAL = Viewer(id="local", name="Local developer", roles=("admin",))
SYSTEM = Viewer(id="system", name="Scenewire", roles=("system",))


def may_see(viewer: Viewer, job: Owned) -> bool:
    """Whether the viewer may see the job; otherwise it must not learn that the job exists."""
    reports = viewer.is_worker and job.provider == EXTERNAL and job.deleted_at is None
    return owns(viewer, job.owner_id) or reports


def may_do(viewer: Viewer, job: Owned, act: Act) -> bool:
    """Whether the viewer may make this kind of change to a job that it may see, or to a scene of the job."""
    return act is Act.REPORT or owns(viewer, job.owner_id)


def owns(viewer: Viewer, owner_id: str) -> bool:
    """Whether the viewer has the rights of this owner."""
    return viewer.sees_all or viewer.id == owner_id
