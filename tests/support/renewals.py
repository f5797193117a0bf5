"""A renewal of request states for servers of tests."""

from starlette.types import Scope

from server.transports.short_path.kept_heads import Renew


class SameState:
    """Gives each request the state of the first one, unless disabled, and counts the answers."""

    def __init__(self) -> None:
        self.refuses = False
        self.answered_with: list[int] = []

    def of(self, scope: Scope) -> Renew:
        """Return what copies the state."""
        state = scope.get("state", {})
        return lambda _requested: None if self.refuses else dict(state)

    def begin(self, scope: Scope) -> None:
        """Do nothing."""

    def end(self, begun: object) -> None:
        """Do nothing."""

    def answered(self, scope: Scope, status: int) -> None:
        """Note the status."""
        self.answered_with.append(status)
