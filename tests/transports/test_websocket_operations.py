"""graphql-transport-ws: subscribe, next, error and complete."""

import pytest

from server.transports.limits import TransportLimits
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served
from tests.support.websocket_peer import dial
from tests.transports.conftest import Start


class TestSubscribe:
    async def test_query_sends_one_result_and_completes(self, served: Served) -> None:
        """As `next` and `complete`."""
        async with dial(served) as peer:
            await peer.subscribe("query($n: String!) { hello(name: $n) }", variables={"n": "you"}, operationName=None)
            assert await peer.receive() == {"id": "1", "type": "next", "payload": {"data": {"hello": "Hello you"}}}
            assert await peer.receive() == {"id": "1", "type": "complete"}

    async def test_mutation_sends_one_result_and_completes(self, served: Served, sample: Sample) -> None:
        """As a query does."""
        async with dial(served) as peer:
            await peer.subscribe('mutation { write(value: "x") }')
            assert (await peer.receive())["payload"] == {"data": {"write": "x"}}
            assert (await peer.receive())["type"] == "complete"
        assert sample.probe.written == ["x"]

    async def test_subscription_sends_its_results_in_order_and_completes(self, served: Served) -> None:
        """One `next` per event."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { count(to: 3) }")
            messages = [await peer.receive() for _ in range(4)]
        assert [message.get("payload") for message in messages] == [
            {"data": {"count": 1}},
            {"data": {"count": 2}},
            {"data": {"count": 3}},
            None,
        ]
        assert messages[-1] == {"id": "1", "type": "complete"}

    async def test_subscribe_before_connection_ack_closes_with_4401(self, served: Served) -> None:
        """For every operation."""
        async with dial(served, init=False) as peer:
            await peer.subscribe("{ hello }")
            assert await peer.closing() == (4401, "Unauthorized")

    async def test_subscribe_with_an_active_id_closes_with_4409(self, served: Served) -> None:
        """For queries as for subscriptions."""
        async with dial(served) as peer:
            await peer.subscribe("{ held }")
            await peer.subscribe("{ hello }")
            assert await peer.closing() == (4409, "Subscriber for 1 already exists")

    async def test_operation_id_can_be_reused_after_its_end(self, served: Served) -> None:
        """After complete, error, or complete by the client."""
        async with dial(served) as peer:
            await peer.subscribe("{ hello }")
            assert [(await peer.receive())["type"] for _ in "12"] == ["next", "complete"]
            await peer.subscribe("{")
            assert (await peer.receive())["type"] == "error"
            await peer.subscribe("subscription { forever }")
            assert (await peer.receive())["type"] == "next"
            await peer.complete()
            await peer.subscribe("{ hello }")
            assert (await peer.receive())["payload"] == {"data": {"hello": "Hello world"}}

    async def test_each_websocket_operation_has_its_own_context(self, served: Served, sample: Sample) -> None:
        """The rows of a loader must not outlive the operation."""
        async with dial(served) as peer:
            for id_ in "ab":
                await peer.subscribe("{ hello }", id_)
                assert [(await peer.receive())["type"] for _ in "12"] == ["next", "complete"]
        assert sample.probe.contexts == 2

    async def test_operation_over_the_limit_gets_an_error(self, start: Start) -> None:
        """For its id only; when another operation ends, the next one is accepted."""
        sample = Sample(limits=TransportLimits(operations_per_socket=2))
        async with dial(await start(sample)) as peer:
            for id_ in "ab":
                await peer.subscribe("subscription { forever }", id_)
                assert (await peer.receive())["type"] == "next"
            await peer.subscribe("{ hello }", "c")
            error = await peer.receive()
            assert (error["id"], error["type"]) == ("c", "error")
            assert error["payload"][0]["extensions"] == {"code": "TOO_MANY_OPERATIONS"}
            await peer.complete("a")
            await sample.probe.until(live=1)
            await peer.subscribe("{ hello }", "d")
            assert await peer.receive() == {"id": "d", "type": "next", "payload": {"data": {"hello": "Hello world"}}}

    async def test_websocket_accepts_fifty_concurrent_operations(self, served: Served, sample: Sample) -> None:
        """The fifty-first is rejected."""
        async with dial(served) as peer:
            for number in range(51):
                await peer.subscribe("{ held }", str(number))
            error = await peer.receive()
            assert (error["id"], error["type"]) == ("50", "error")
            assert sample.probe.live == 50


class TestError:
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("", "GRAPHQL_PARSE_FAILED"),
            ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { forever again: forever }", "GRAPHQL_VALIDATION_FAILED"),
            ("query($n: String!) { hello(name: $n) }", "BAD_USER_INPUT"),
            ("subscription($n: Int!) { count(to: $n) }", "BAD_USER_INPUT"),
            ("query A { hello } query B { hello }", "OPERATION_RESOLUTION_FAILURE"),
        ],
    )
    async def test_request_error_ends_its_operation_only(self, served: Served, query: str, code: str) -> None:
        """The other operations of the websocket continue."""
        async with dial(served) as peer:
            await peer.subscribe("{ held }", "held")
            await peer.subscribe(query)
            error = await peer.receive()
            assert (error["id"], error["type"]) == ("1", "error")
            assert error["payload"][0]["extensions"]["code"] == code
            await peer.receives_nothing_more()
            await peer.subscribe("{ hello }", "2")
            assert (await peer.receive())["payload"] == {"data": {"hello": "Hello world"}}

    async def test_unknown_operation_name_is_a_request_error(self, served: Served) -> None:
        """For its id."""
        async with dial(served) as peer:
            await peer.subscribe("query A { hello }", operationName="B")
            error = await peer.receive()
            assert error["payload"][0]["message"] == 'Unknown operation named "B"'

    async def test_field_error_is_part_of_the_result(self, served: Served) -> None:
        """The operation was executed."""
        async with dial(served) as peer:
            await peer.subscribe("{ missing hello }")
            result = await peer.receive()
            assert result["type"] == "next"
            assert result["payload"]["data"] == {"missing": None, "hello": "Hello world"}
            assert result["payload"]["errors"][0]["extensions"] == {"code": "NOT_FOUND", "field": ["id"]}

    async def test_context_error_fails_its_operation_only(self, served: Served) -> None:
        """With a masked error."""
        async with dial(served, additional_headers={"x-caller": "broken"}) as peer:
            await peer.subscribe("{ hello }")
            error = await peer.receive()
            assert error["type"] == "error"
            assert error["payload"][0]["extensions"]["code"] == "INTERNAL"
            await peer.receives_nothing_more()

    async def test_context_can_close_the_websocket(self, served: Served) -> None:
        """For example when the caller is unknown."""
        async with dial(served, additional_headers={"x-caller": "unknown"}) as peer:
            await peer.subscribe("{ hello }")
            assert await peer.closing() == (4401, "Unknown caller")


class TestComplete:
    async def test_complete_ends_the_subscription(self, served: Served, sample: Sample) -> None:
        """Its generator is closed, and nothing is sent for it afterwards."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { forever }")
            await peer.receive()
            await sample.probe.until(live=1)
            await peer.complete()
            await sample.probe.until(live=0)
            await peer.receives_nothing_more()

    async def test_slow_cleanup_of_a_subscription_blocks_nothing(self, served: Served, sample: Sample) -> None:
        """Meanwhile the websocket serves other operations, and the id can be reused."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { reluctant }")
            await peer.receive()
            await peer.complete()
            await peer.subscribe("{ hello }")
            assert (await peer.receive())["payload"] == {"data": {"hello": "Hello world"}}
            assert sample.probe.live == 1
            sample.probe.release.set()
            await sample.probe.until(live=0)

    async def test_complete_ends_a_subscription_that_is_sending(self, served: Served, sample: Sample) -> None:
        """Although a message is being sent."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { flood }")
            await peer.receive()
            await peer.complete()
            await sample.probe.until(live=0)
            await peer.send("ping", payload={"now": True})
            while (await peer.receive()) != {"type": "pong", "payload": {"now": True}}:
                pass
            await peer.receives_nothing_more()

    async def test_complete_cancels_a_query(self, served: Served, sample: Sample) -> None:
        """Without a response."""
        async with dial(served) as peer:
            await peer.subscribe("{ held }")
            await sample.probe.until(live=1)
            await peer.complete()
            await sample.probe.until(live=0)
            await peer.receives_nothing_more()

    async def test_complete_does_not_cancel_a_mutation(self, served: Served, sample: Sample) -> None:
        """It runs to completion without a response."""
        async with dial(served) as peer:
            await peer.subscribe('mutation { writeSlowly(value: "x") }')
            await sample.probe.until(live=1)
            await peer.complete()
            await peer.receives_nothing_more()
            sample.probe.release.set()
            await sample.probe.until(written=1)
            await peer.receives_nothing_more()

    async def test_complete_with_an_unknown_id_is_ignored(self, served: Served) -> None:
        """Both sides may complete at the same time."""
        async with dial(served) as peer:
            await peer.complete("unknown")
            await peer.receives_nothing_more()
