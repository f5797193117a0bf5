"""The report of a broken promise of the API."""

from enum import StrEnum


class Kind(StrEnum):
    """Which promise was broken."""

    GAP = "gap in the versions"
    REPEAT = "repeated version"
    UNEXPECTED_SNAPSHOT = "unexpected snapshot"
    LATE = "late message"
    STUCK = "stuck stream"
    BACKWARDS = "value went backwards"
    NEVER_WAS = "state that never was"
    VIEW_DIFFERS = "view differs from the database"
    LOST_CHANGE = "lost change"
    UNKNOWN_CHANGE = "change that was not requested"
    LOG = "inconsistent log"
    COUNTERS = "inconsistent counters"
    DROPPED = "dropped connection"
    FAILED = "failed request"
    TOO_LITTLE = "too little happened"


class Violation(Exception):
    """A broken promise: its kind, and the details with what led to it."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def flattened(group: ExceptionGroup[Violation]) -> list[Violation]:
    """Return the violations in a group and in the groups inside of it."""
    violations: list[Violation] = []
    for each in group.exceptions:
        violations += flattened(each) if isinstance(each, ExceptionGroup) else [each]
    return violations
