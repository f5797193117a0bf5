"""What earlier takes of a scene mean for its current one: clips that may exist already, and retries used up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile

from models.db.rows import TakeRow
from models.domain.json_values import same_json
from models.domain.lifecycle import SceneStatus, TakeReason
from models.domain.settings import Stored, folded
from providers.port import EarlierOrder, Failure

# The latest takes of a scene that are read. Older ones are of no use: providers keep clips for an hour or a day.
LOOK_BACK_TAKES = 12


def unsettled(takes: Sequence[TakeRow], defaults: Stored = None) -> tuple[EarlierOrder, ...]:
    """Return the orders of earlier takes that may have come to a clip of the same prompt, settings and inputs.

    The newest is first. `defaults` are the settings of the model: a provider may have sent them only after an earlier
    take was ordered, which was made with them all the same.

    `takes` are those of one scene, newest first, the current one included. Takes before the latest completed one do not
    count, nor an order that a second take has already failed to fetch: a clip that is unavailable is ordered again.
    One whose id is not known was taken up, or is of no use, once a later take has an id.
    """
    earlier = [
        take
        for take in takewhile(lambda take: take.status is not SceneStatus.COMPLETED, takes[1:])
        if (take.provider, take.prompt) == (takes[0].provider, takes[0].prompt)
        and _asks_the_same(take, takes[0], defaults)
    ]
    attempts = Counter(take.provider_id for take in earlier)
    newest_with_id = max((take.number for take in earlier if take.provider_id is not None), default=0)
    return tuple(
        EarlierOrder(take.id, take.number, take.provider_id, take.started_at)
        for take in earlier
        if _is_unsettled(take)
        and (take.number > newest_with_id if take.provider_id is None else attempts[take.provider_id] <= 1)
    )


def retries_left(takes: Sequence[TakeRow], failure: Failure) -> bool:
    """Return whether the current take, which failed, may be retried as often as its failure allows.

    `takes` are as above. Only failures of the same code count, of the attempts since the last regenerate.
    """
    if failure.retries is None:
        return True
    same = [take for take in _earlier_attempts(takes) if take.failure and take.failure["code"] == failure.code]
    return len(same) < failure.retries


def _earlier_attempts(takes: Sequence[TakeRow]) -> Iterable[TakeRow]:
    for later, take in pairwise(takes):
        if later.reason is not TakeReason.AUTOMATIC_RETRY:
            return
        yield take


def _asks_the_same(take: TakeRow, current: TakeRow, defaults: Stored) -> bool:
    # A process that does not know settings has ordered without them: its order is not bought again either.
    same_settings = take.settings is None or same_json(
        folded(take.settings, defaults), folded(current.settings, defaults)
    )
    return same_settings and same_json(take.inputs or [], current.inputs or [])


def _is_unsettled(take: TakeRow) -> bool:
    return take.failure is not None and take.failure.get("unsettled", False)
