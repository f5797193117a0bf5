"""How long a client took to show what was committed, counted while its line and the server were up."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from tests.chaos.line import Interval
from tests.chaos.recording import Recorded
from tests.chaos.shown_states import Shown
from tests.support.violations import Kind, Violation

# The promise of docs/clients.md: the last state is shown within a second of its commit, or of the line's return.
LONGEST_SECONDS = 1.0


def delays(shown: Sequence[Shown], recorded: Sequence[Recorded], down: Sequence[Interval]) -> Iterator[float]:
    """Yield for each version, from the first that was shown on, the longest time in seconds without an outage during
    which it was committed and not shown."""
    versions = [state.version for state in shown]
    committed: dict[int, float] = {}
    for state in recorded:
        committed.setdefault(state.version, state.at)
    outages = sorted(down)
    for version, at in committed.items():
        index = bisect_left(versions, version)
        if version > versions[0] and index < len(shown):
            yield _longest_up(Interval(at, shown[index].at), outages)


def too_long(client: str, seconds: Sequence[float]) -> Iterator[Violation]:
    """Yield a violation when a delay exceeds the promise."""
    late = [delay for delay in seconds if delay > LONGEST_SECONDS]
    if late:
        yield Violation(Kind.LATE, f"{client} showed {len(late)} of {len(seconds)} versions late, by {max(late):.2f} s")


def _longest_up(waited: Interval, outages: Sequence[Interval]) -> float:
    """Return the longest part of an interval between outages, in seconds."""
    longest, since = 0.0, waited.start
    for outage in outages:
        if outage.end <= since:
            continue
        if outage.start >= waited.end:
            break
        longest, since = max(longest, outage.start - since), outage.end
    return max(longest, waited.end - since)
