"""The first purchase after a start asks for next to none of the earlier predictions (provider `replicate`)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from providers.port import Order
from tests.support.replicate import QUICK, FakeReplicate, NewProvider

EARLIER = 310
SEEDED = '{"prompt": "{prompt}", "seed": "{seed}"}'


async def bought(fake: FakeReplicate, new_provider: NewProvider, order: Order, number: int = EARLIER) -> list[str]:
    """Create so many predictions of other orders, as another process; return their ids. The list has no webhooks."""
    provider = new_provider()
    fake.behave(list_webhooks=False)
    orders = [replace(order, key=f"other_{each}", prompt=f"Prompt {each}", fresh=True) for each in range(number)]
    ids = [await provider.submit(each) for each in orders]
    fake.behave(age_seconds=0.0)
    return ids


async def test_order_that_was_never_submitted_is_not_searched_for(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Nothing can exist: neither the list nor a prediction is read."""
    await bought(fake, new_provider, order)
    await new_provider().submit(replace(order, fresh=True))
    assert {"create", "creations"} == fake.counts().keys()
    assert fake.counts()["creations"] == EARLIER + 1


async def test_list_rules_out_predictions_of_other_prompts(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Their inputs are in the list, so that none is read by itself."""
    await bought(fake, new_provider, order)
    await new_provider().submit(order)
    searches = 1 + len(QUICK.settling)
    assert {"list": 4 * searches, "creations": EARLIER + 1}.items() <= fake.counts().items()
    assert "get" not in fake.counts()


async def test_list_rules_out_predictions_with_other_seeds(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Orders with the same prompt have different seeds."""
    provider = new_provider(template=SEEDED)
    fake.behave(list_webhooks=False)
    ids = [await provider.submit(replace(order, key=f"other_{each}", fresh=True)) for each in range(20)]
    assert await new_provider(template=SEEDED).submit(order) not in ids
    assert "get" not in fake.counts()


async def test_predictions_from_before_the_start_of_the_take_are_not_read(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Not even those whose input was removed, of which the list shows nothing."""
    fake.behave(age_seconds=5400.0)
    await bought(fake, new_provider, order, 30)
    fake.command("expire")
    await new_provider().submit(order)
    assert fake.counts()["creations"] == 31
    assert "get" not in fake.counts()


async def test_predictions_that_have_to_be_read_are_remembered(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Each is read once, however many orders are searched for."""
    await bought(fake, new_provider, order, 30)
    fake.command("expire")
    provider = new_provider()
    for key in ("take_1", "take_2", "take_3"):
        await provider.submit(replace(order, key=key))
    assert fake.counts()["creations"] == 33
    assert fake.counts().get("get", 0) <= 30


async def test_prediction_is_found_among_many_by_one_request(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Only the one with the same input is read, for its callback URL."""
    fake.behave(list_webhooks=False)
    prediction_id = await new_provider().submit(replace(order, fresh=True))
    await bought(fake, new_provider, order, 120)
    assert await new_provider().submit(order) == prediction_id
    assert fake.counts()["get"] == 1


async def test_prediction_is_found_by_instants_without_a_time_zone(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """They are in UTC, wherever this server is."""
    fake.behave(zones=False)
    prediction_id = await new_provider().submit(replace(order, fresh=True))
    assert await new_provider().submit(order) == prediction_id
    assert fake.counts()["creations"] == 1


async def test_order_is_found_although_the_clocks_differ(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The start of the take is by the clock of the database, which may be ahead."""
    prediction_id = await new_provider().submit(replace(order, fresh=True))
    ahead = replace(order, started_at=datetime.now(UTC) + timedelta(minutes=5))
    assert await new_provider().submit(ahead) == prediction_id


async def test_creation_honors_a_fraction_of_a_second_in_retry_after(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """It is not in RFC 9110, but sent."""
    fake.fault("create", "status", status=429, retry_after="1.5")
    started = asyncio.get_running_loop().time()
    await new_provider().submit(order)
    assert asyncio.get_running_loop().time() - started >= 1.5
