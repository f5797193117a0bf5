"""The ledger: what was asked of the server, and what it acknowledged."""

from typing import NamedTuple

# What a log may hold without its own entry in the ledger: the consequences of other changes.
CONSEQUENCES = frozenset({"JOB_STARTED", "JOB_SETTLED", "SCENE_CANCELED"})
EDITED = "EDITED"


class Claim(NamedTuple):
    """A change that must be in the log, at a version in `after` < version <= `upto`; or that may be, if not `sure`.

    `upto` is None when nobody knows whether the change was made: the answer was lost. `value` is what was written, as
    nobody else writes it.
    """

    job_id: str
    scene_id: str | None
    deed: str
    value: str
    after: int
    upto: int | None
    sure: bool

    def fits(self, version: int) -> bool:
        """Whether the change may have been made at this version."""
        return self.after < version and (self.upto is None or version <= self.upto)


class Ledger:
    """All claims of a run."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []

    def enter(self, claim: Claim) -> None:
        """Write it down."""
        self.claims.append(claim)


def deed(kind: str, changed: list[str], *, of_scene: bool) -> str:
    """What a person did, by the entry of the log; a new title is part of every edit and report that writers send."""
    return EDITED if of_scene and "title" in changed else kind
