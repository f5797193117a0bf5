"""Creations that may have had an effect stay ambiguous, whatever follows them (provider `replicate`)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from providers.port import EarlierOrder, Failure, Order
from tests.support.replicate import BRIEF, FakeReplicate, NewProvider

# More lists than are read until an order is given up.
NEVER_LISTED = 1000
LATER: list[dict[str, Any]] = [
    {"do": "status", "status": 402},
    {"do": "status", "status": 422},
    {"do": "status", "status": 429, "retry_after": 60},
    {"do": "status", "status": 500},
]


@pytest.mark.parametrize("later", LATER, ids=lambda fault: str(fault["status"]))
async def test_creation_that_may_have_had_an_effect_is_looked_for_by_the_next_take(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, later: dict[str, Any]
) -> None:
    """Although the attempts after it were refused, or had no effect: the prediction may only be listed late."""
    fake.behave(list_lag=NEVER_LISTED)
    fake.fault("create", "lose")
    fake.fault("create", **later, times=1000)
    with pytest.raises(Failure) as caught:
        await new_provider(BRIEF).submit(replace(order, fresh=True))
    assert fake.counts()["creations"] == 1
    assert caught.value.unsettled


async def test_prediction_of_a_process_that_was_killed_is_found_although_it_is_listed_late(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A worker that takes over cannot know whether the creation had begun."""
    fake.behave(list_lag=2)
    prediction_id = await new_provider().submit(replace(order, fresh=True))
    assert await new_provider().submit(order) == prediction_id
    assert fake.counts()["creations"] == 1


@pytest.mark.parametrize("status", [404, 403])
async def test_nothing_is_created_while_the_list_refuses_to_tell_of_an_earlier_order(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, status: int
) -> None:
    """A list that is not found says nothing about a prediction."""
    await new_provider().submit(order)
    fake.fault("list", "status", status=status, times=1000)
    earlier = EarlierOrder(order.key, order.number, None, order.started_at)
    again = replace(order, key="take_2", number=2, fresh=True, unsettled=(earlier,))
    with pytest.raises(Failure):
        await new_provider(BRIEF).submit(again)
    assert fake.counts()["creations"] == 1


@pytest.mark.parametrize("minutes", [-60, 60])
async def test_prediction_with_the_mark_of_its_order_is_found_whatever_the_clocks_say(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, minutes: int
) -> None:
    """The clock of the database, by which the order was started, may be wrong."""
    assert order.started_at is not None
    order = replace(order, started_at=order.started_at + timedelta(minutes=minutes))
    seeded: dict[str, Any] = {"template": '{"prompt": "{prompt}", "seed": "{seed}"}', "callbacks": ""}
    prediction_id = await new_provider(**seeded).submit(order)
    assert await new_provider(**seeded).submit(order) == prediction_id
    assert fake.counts()["creations"] == 1
