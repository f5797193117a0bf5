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


class Grant(StrEnum):
    """What an access token permits."""

    READ = "READ"
    """Read jobs, and follow them live."""

    EDIT = "EDIT"
    """Change jobs; includes READ."""

    WORK = "WORK"
    """Lease takes."""


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The limits of an access token: what its holder may do in the name of the token's owner."""

    token_id: str
    grants: frozenset[Grant]
    jobs: frozenset[tuple[str, str]] | None
    """The id of each job, and its owner when the token was made; None for all jobs of the token's owner."""

    serves_all: bool = False
    """Whether takes of every owner may be leased with it."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The principal of a read or a change."""

    id: str
    name: str
    roles: tuple[str, ...]
    scope: TokenScope | None = None
    """The limits of the access token that it uses; None without one. The roles are then those of a user."""

    @property
    def sees_all(self) -> bool:
        """Whether jobs of all owners are visible."""
        return self.scope is None and (Role.ADMIN in self.roles or "system" in self.roles)

    @property
    def is_worker(self) -> bool:
        """Whether external scenes of all owners are visible, to report on them."""
        return self.scope is None and Role.WORKER in self.roles

    @property
    def leases_for_all(self) -> bool:
        """Whether it may lease takes of every owner; others lease those of their own jobs."""
        return self.sees_all or self.is_worker if self.scope is None else self.scope.serves_all

    @property
    def principal(self) -> str:
        """The id under which requests are counted and idempotency keys are stored: each access token has its own."""
        return self.id if self.scope is None else self.scope.token_id

    @property
    def reads_as(self) -> str:
        """The value of the parameter `viewer` of reads: the id, or that of a token for named jobs."""
        return self.id if self.scope is None or self.scope.jobs is None else self.scope.token_id

    def holds(self, grant: Grant) -> bool:
        """Whether it has this grant; only an access token can lack one."""
        return self.scope is None or grant in self.scope.grants


class Owned(Protocol):
    """The columns of a job that authorization depends on."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

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
    if viewer.scope is not None:
        return _covers(viewer.scope, viewer.id, job)
    reports = viewer.is_worker and job.provider == EXTERNAL and job.deleted_at is None
    return owns(viewer, job.owner_id) or reports


def may_do(viewer: Viewer, job: Owned, act: Act) -> bool:
    """Whether the viewer may make this kind of change to a job that it may see, or to a scene of the job."""
    if viewer.scope is not None:
        return viewer.holds(Grant.EDIT)
    return act is Act.REPORT or owns(viewer, job.owner_id)


def owns(viewer: Viewer, owner_id: str) -> bool:
    """Whether the viewer has all rights of this owner, which an access token never gives."""
    return viewer.scope is None and (viewer.sees_all or viewer.id == owner_id)


def _covers(scope: TokenScope, owner_id: str, job: Owned) -> bool:
    """Whether an access token of this owner shows the job. A named job that has a new owner is not shown any more."""
    if Grant.READ not in scope.grants:
        return False
    return job.owner_id == owner_id if scope.jobs is None else (job.id, job.owner_id) in scope.jobs
