"""Single odd responses about a prediction that is paid for do not throw it away (provider `replicate`)."""

from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from providers.port import EarlierOrder, Failure, Order, Rendered
from tests.support.orders import all_of, made
from tests.support.plain_ids import plain_text
from tests.support.replicate import BRIEF, FakeReplicate, NewProvider

PAGES = [{"do": "page", "status": status} for status in (200, 403, 401, 404, 503)]
REFUSALS = [{"do": "status", "status": status} for status in (400, 401, 402, 403, 404, 409, 410, 418, 422)]


def name_of(fault: dict[str, Any]) -> str:
    """Return the name of a fault in the ids of tests."""
    return f"{fault['do']} {fault['status']}"


@pytest.mark.parametrize("fault", [*PAGES, *REFUSALS], ids=name_of)
async def test_odd_answer_to_a_poll_is_borne(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, fault: dict[str, Any]
) -> None:
    """A challenge page, or a refusal of any kind, is followed by the clip."""
    fake.fault("get", **fault, times=3, skip=2)
    assert isinstance(await made(new_provider(), order), Rendered)
    assert {"creations": 1, "get": 3 + 12}.items() <= fake.counts().items()
    assert "cancel" not in fake.counts()


@pytest.mark.parametrize("fault", [*PAGES, *REFUSALS], ids=name_of)
async def test_odd_answer_to_a_download_is_borne(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, fault: dict[str, Any]
) -> None:
    """The file is paid for, and may be served by a machine that does not have it yet."""
    fake.fault("download", **fault, times=2)
    assert isinstance(await made(new_provider(), order), Rendered)
    assert {"creations": 1, "download": 3}.items() <= fake.counts().items()


@pytest.mark.parametrize("fault", [*PAGES, *REFUSALS], ids=name_of)
async def test_odd_answer_to_the_search_for_a_prediction_is_borne(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, fault: dict[str, Any]
) -> None:
    """A prediction whose creation got no response may exist, so that the search must not be given up."""
    fake.fault("create", "lose")
    fake.fault("list", **fault, times=2)
    prediction_id = await new_provider().submit(replace(order, fresh=True))
    assert [each["id"] for each in fake.predictions()] == [prediction_id]


@pytest.mark.parametrize("fault", [*PAGES, *REFUSALS[1:4]], ids=name_of)
async def test_odd_answer_to_a_cancel_is_borne(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, fault: dict[str, Any]
) -> None:
    """A prediction that runs on costs money."""
    fake.behave(hold=True)
    provider = new_provider()
    prediction_id = await provider.submit(order)
    fake.fault("cancel", **fault, times=2)
    await provider.cancel(prediction_id)
    assert [each["status"] for each in fake.predictions()] == ["canceled"]


@pytest.mark.parametrize("fault", PAGES, ids=name_of)
async def test_page_of_a_proxy_does_not_refuse_a_creation(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, fault: dict[str, Any]
) -> None:
    """Only Replicate itself can refuse, which it explains in JSON."""
    fake.fault("create", **fault, times=2)
    await new_provider().submit(order)
    assert {"creations": 1, "create": 3}.items() <= fake.counts().items()


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "UNAUTHORIZED"), (403, "FORBIDDEN"), (404, "NOT_FOUND"), (418, "REQUEST_REFUSED")],
)
async def test_prediction_that_is_refused_for_too_long_is_canceled(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, status: int, code: str
) -> None:
    """The failure says so, with the reason; only a person may decide to create another."""
    fake.behave(hold=True)
    fake.fault("get", "status", status=status, detail="Because of the weather.", times=100_000)
    with pytest.raises(Failure, match=r"It was canceled\. The last reason: .*Because of the weather\.") as caught:
        await made(new_provider(BRIEF), order)
    assert (caught.value.code, caught.value.retryable, caught.value.unsettled) == (code, False, True)
    assert fake.predictions()[0]["id"] in caught.value.message
    assert [each["status"] for each in fake.predictions()] == ["canceled"]


async def test_prediction_that_cannot_be_canceled_is_said_to_run_on(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """An operator has to look for it."""
    fake.behave(hold=True)
    fake.fault("get", "status", status=403, times=100_000)
    fake.fault("cancel", "status", status=403, times=100_000)
    with pytest.raises(Failure, match=r"It could not be canceled .*look for it at Replicate\.") as caught:
        await made(new_provider(BRIEF), order)
    assert caught.value.unsettled


async def test_prediction_that_turns_out_to_have_succeeded_when_it_is_canceled_is_used(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The response to the cancel has its output."""
    provider = new_provider(BRIEF)
    prediction_id = await provider.submit(order)
    fake.command("release")
    fake.fault("get", "status", status=403, times=100_000)
    steps = await all_of(provider.follow(order, prediction_id))
    assert isinstance(steps[-1], Rendered)


class TestEarlierOrders:
    """A take whose predecessor may have come to a clip looks for it before it creates a prediction."""

    async def given_up(self, fake: FakeReplicate, provider: Any, order: Order) -> str:
        """Submit an order whose take is given up; return the id of its prediction."""
        prediction_id = await provider.submit(order)
        async with aclosing(provider.follow(order, prediction_id)) as steps:
            await anext(steps)
        return prediction_id

    def next_order(self, order: Order, prediction_id: str | None, **changes: Any) -> Order:
        """Return the order of the take after a failure that was unsettled."""
        earlier = EarlierOrder(order.key, order.number, prediction_id, order.started_at)
        return replace(order, key="take_2", number=2, fresh=True, unsettled=(earlier,), **changes)

    @pytest.mark.parametrize("state", ["running", "succeeded"])
    async def test_clip_of_the_earlier_order_is_used(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order, state: str
    ) -> None:
        """It is followed to its end, or downloaded."""
        prediction_id = await self.given_up(fake, new_provider(), order)
        if state == "succeeded":
            fake.command("release")
        provider = new_provider()
        again = self.next_order(order, prediction_id)
        assert await provider.submit(again) == prediction_id
        assert isinstance((await all_of(provider.follow(again, prediction_id)))[-1], Rendered)
        assert fake.counts()["creations"] == 1

    async def test_clip_of_an_earlier_order_whose_id_is_unknown_is_used(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order
    ) -> None:
        """The creation was never confirmed (PURCHASE_UNKNOWN)."""
        prediction_id = await new_provider().submit(order)
        assert await new_provider().submit(self.next_order(order, None)) == prediction_id
        assert fake.counts()["creations"] == 1

    @pytest.mark.parametrize("state", ["failed", "canceled", "expired", "deleted", "without output"])
    async def test_earlier_order_that_came_to_nothing_is_followed_by_another(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order, state: str
    ) -> None:
        """A new prediction is created at once."""
        fake.behave(
            outcome="failed" if state == "failed" else "succeeded",
            output="none" if state == "without output" else "string",
        )
        provider = new_provider(BRIEF)
        prediction_id = await self.given_up(fake, provider, order)
        if state == "canceled":
            await provider.cancel(prediction_id)
        fake.command("release")
        if state == "expired":
            fake.command("expire")
        earlier = "deleted" if state == "deleted" else prediction_id
        assert await provider.submit(self.next_order(order, earlier)) not in (prediction_id, earlier)
        assert fake.counts()["creations"] == 2

    async def test_earlier_prediction_that_is_late_is_not_used(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order
    ) -> None:
        """Its take has timed out, and it is being canceled."""
        fake.behave(age_seconds=1500.0)
        prediction_id = await self.given_up(fake, new_provider(), order)
        assert await new_provider().submit(self.next_order(order, prediction_id)) != prediction_id
        fake.command("release")
        assert (
            await new_provider().submit(replace(self.next_order(order, prediction_id), key="take_3")) == prediction_id
        )

    @pytest.mark.parametrize("changes", [{"prompt": "Another prompt"}, {"duration_seconds": 2.0}], ids=plain_text)
    async def test_clip_of_an_earlier_order_that_does_not_fit_is_not_used(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order, changes: dict[str, Any]
    ) -> None:
        """The scene was changed meanwhile."""
        prediction_id = await self.given_up(fake, new_provider(), order)
        fake.command("release")
        assert await new_provider().submit(self.next_order(order, prediction_id, **changes)) != prediction_id
        assert fake.counts()["creations"] == 2

    async def test_clip_of_an_earlier_order_is_used_although_its_seed_differs(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order
    ) -> None:
        """Each take has its own; all that was asked for by the user is the same."""
        template = '{"prompt": "{prompt}", "seed": "{seed}", "style": "take {number}"}'
        provider = new_provider(template=template)
        prediction_id = await self.given_up(fake, provider, order)
        assert await provider.submit(self.next_order(order, prediction_id)) == prediction_id

    async def test_odd_answer_about_an_earlier_order_is_borne(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order
    ) -> None:
        """One 404 does not make it bought again."""
        prediction_id = await self.given_up(fake, new_provider(), order)
        fake.fault("get", "status", status=404)
        fake.fault("get", "page", status=403)
        assert await new_provider().submit(self.next_order(order, prediction_id)) == prediction_id
        assert fake.counts()["creations"] == 1

    async def test_no_prediction_is_created_while_the_earlier_one_cannot_be_read(
        self, fake: FakeReplicate, new_provider: NewProvider, order: Order
    ) -> None:
        """The take fails, retryably."""
        prediction_id = await self.given_up(fake, new_provider(), order)
        fake.fault("get", "status", status=500, times=100_000)
        with pytest.raises(Failure) as caught:
            await new_provider(BRIEF).submit(self.next_order(order, prediction_id))
        assert (caught.value.code, caught.value.retryable) == ("PROVIDER_UNAVAILABLE", True)
        assert fake.counts()["creations"] == 1
