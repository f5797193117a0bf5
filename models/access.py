"""Who may see and change what. Pure: the queries turn these answers into conditions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Viewer:
    """On whose behalf something is read or done."""

    id: str
    name: str
    roles: tuple[str, ...]

    @property
    def sees_all(self) -> bool:
        """Whether jobs of other owners are visible too."""
        return "admin" in self.roles or "system" in self.roles


LOCAL = Viewer(id="local", name="Local developer", roles=("admin",))
SYSTEM = Viewer(id="system", name="Scenewire", roles=("system",))


def may_see(viewer: Viewer, owner_id: str) -> bool:
    """Whether a job of this owner exists as far as the viewer can tell."""
    return viewer.sees_all or viewer.id == owner_id
