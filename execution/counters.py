"""How many answers were made by compiled operations, and why the others were not."""

import logging
from collections import Counter
from dataclasses import dataclass, field

from execution.deviation import ERROR, Deviation, Unsupported

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Paths:
    """The counts of one process. A subscription counts once for each message."""

    compiled: int = 0
    left: Counter[str] = field(default_factory=Counter[str])
    """Answers that graphql-core made although compiling is on, by reason (`execution.deviation`)."""

    def leave(self, reason: str) -> None:
        """Count an answer that is left to graphql-core. The first one of each reason is logged."""
        if reason not in self.left:
            log.debug("graphql-core answers because of: %s", reason, extra={"action": "execution.left"})
        self.left[reason] += 1


def reason_of(error: Exception) -> str:
    """Return why graphql-core has to make the answer after this exception."""
    return error.reason if isinstance(error, Deviation | Unsupported) else ERROR
