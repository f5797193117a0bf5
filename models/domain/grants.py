"""Which mutations an access token may be used for. Without one, every mutation has checks of its own."""

from typing import Final

from models.domain.access import Grant, Viewer
from models.domain.errors import Forbidden

_EDITS: Final = frozenset(
    [
        *("updateJob", "startJob", "cancelJob", "deleteJob", "restoreJob", "reorderScenes"),
        *("addScene", "updateScene", "regenerateScene", "cancelScene", "deleteScene", "restoreScene", "moveScene"),
        *("selectTake", "updateScenes", "regenerateScenes", "cancelScenes", "deleteScenes", "restoreScenes"),
    ]
)
_WORK: Final = frozenset(["claimTakes", "renewLease", "finishTake", "failTake", "releaseTake"])


def check(viewer: Viewer, mutation: str) -> None:
    """Raise Forbidden unless the viewer may use its access token, if it has one, for this mutation.

    A mutation that is not listed is refused, new ones included: a token makes no jobs, assets, webhooks or tokens.
    """
    if viewer.scope is None:
        return
    required = Grant.EDIT if mutation in _EDITS else Grant.WORK if mutation in _WORK else None
    if required is None:
        raise Forbidden("An access token cannot be used for this.", ("input",))
    if not viewer.holds(required):
        raise Forbidden(f"The access token has no grant {required}.", ("input",))
