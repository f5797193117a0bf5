"""What must never happen, and did."""

from enum import StrEnum


class Kind(StrEnum):
    """How the promise was broken."""

    HOLE = "hole"
    REPEAT = "repeat"
    UNCALLED = "uncalled snapshot"
    LATE = "late"
    STUCK = "stuck"
    BACKWARDS = "backwards"
    DIFFERENT = "different"
    LOST = "lost change"
    UNASKED = "unasked change"
    LOG = "log"
    COUNTERS = "counters"
    DROPPED = "dropped connection"
    FAILED = "failed request"
    IDLE = "too little work"


class Violation(Exception):
    """Somebody was lied to; the message says who, and of what."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
