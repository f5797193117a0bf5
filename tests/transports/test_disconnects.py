"""A websocket ends its operations and frees its resources, whichever side closes it."""

import asyncio

import pytest
from starlette.requests import HTTPConnection

from server.transports.closing import CloseCode
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served, idle
from tests.support.websocket_peer import dial
from tests.transports.log_records import warnings_in
from tests.transports.subscriptions import subscribe_forever


class TestDisconnect:
    async def test_closed_websocket_ends_its_subscriptions(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """All of them, without a warning in the log."""
        async with dial(served) as peer:
            await subscribe_forever(peer, sample, "a", "b", "c")
        await sample.probe.until(live=0)
        assert warnings_in(log) == []

    async def test_reset_websocket_ends_its_subscriptions(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """As with a close frame."""
        async with dial(served) as peer:
            await subscribe_forever(peer, sample, "a", "b", "c")
            peer.socket.transport.abort()
            await sample.probe.until(live=0)
        assert warnings_in(log) == []

    async def test_reset_during_a_write_ends_the_subscription(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """While the server was sending."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { flood }")
            await peer.receive()
            peer.socket.transport.abort()
            await sample.probe.until(live=0)
        assert warnings_in(log) == []

    async def test_mutation_completes_after_its_websocket_closed(self, served: Served, sample: Sample) -> None:
        """As over HTTP."""
        async with dial(served) as peer:
            await peer.subscribe('mutation { writeSlowly(value: "x") }')
            await sample.probe.until(live=1)
            peer.socket.transport.abort()
        sample.probe.release.set()
        await sample.probe.until(written=1)

    async def test_mutation_sent_right_before_the_connection_ends_is_executed(
        self, served: Served, sample: Sample
    ) -> None:
        """Messages that the client sent before the end of the connection are handled first."""
        async with dial(served, close_timeout=0) as peer:
            await peer.subscribe('mutation { write(value: "x") }')
            peer.socket.transport.close()
            await sample.probe.until(written=1)
        await idle(served)

    async def test_closed_websocket_leaves_no_task_and_no_connection(self, served: Served, sample: Sample) -> None:
        """After all its operations have ended."""
        before = len(asyncio.all_tasks())
        for _ in range(5):
            async with dial(served) as peer:
                await subscribe_forever(peer, sample, "a", "b")
            await sample.probe.until(live=0)
        await idle(served)
        assert len(asyncio.all_tasks()) == before
        assert len(sample.connections) == 0


class TestErrors:
    async def test_failed_subscription_does_not_affect_the_others(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """Its error is masked and logged once."""
        async with dial(served) as peer:
            await subscribe_forever(peer, sample, "neighbour")
            await peer.subscribe("subscription { failing }")
            messages = [await peer.receive() for _ in range(2)]
            assert [message["type"] for message in messages] == ["next", "error"]
            (error,) = messages[1]["payload"]
            await peer.receives_nothing_more()
            assert error["message"] == "Internal error"
            await peer.receives_nothing_more("neighbour")
            assert sample.probe.live == 1
        (record,) = [record for record in log.records if record.levelname == "ERROR"]
        assert error["extensions"] == {"code": "INTERNAL", "id": record.__dict__["error_id"]}
        assert SECRET not in str(messages)

    async def test_domain_error_before_the_first_event_is_not_masked(self, served: Served) -> None:
        """It keeps the message and the code of the domain."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { unbegun }")
            (error,) = (await peer.receive())["payload"]
            assert error["message"] == "There is no such job"
            assert error["extensions"] == {"code": "NOT_FOUND", "field": ["jobId"]}

    async def test_result_that_cannot_be_encoded_fails_its_operation_only(self, served: Served, sample: Sample) -> None:
        """With a masked error."""
        async with dial(served) as peer:
            await subscribe_forever(peer, sample, "neighbour")
            await peer.subscribe("{ unwritable }")
            message = await peer.receive()
            assert (message["id"], message["type"]) == ("1", "error")
            assert message["payload"][0]["extensions"]["code"] == "INTERNAL"
            assert sample.probe.live == 1


class TestServerClose:
    async def test_subscription_can_close_the_websocket(self, served: Served, sample: Sample) -> None:
        """For example when the token has expired."""
        async with dial(served) as peer:
            await subscribe_forever(peer, sample, "neighbour")
            await peer.subscribe("subscription { revoked }")
            await peer.receive()
            sample.probe.revoke.set()
            assert await peer.closing() == (4403, "Token expired")
        await sample.probe.until(live=0)

    async def test_application_closes_the_websockets_that_match(self, served: Served, sample: Sample) -> None:
        """By their request, or by the state that `on_init` stored."""

        def is_eve(connection: HTTPConnection) -> bool:
            return connection.headers.get("x-name") == "eve"

        async with (
            dial(served, additional_headers={"x-name": "eve"}) as eve,
            dial(served, additional_headers={"x-name": "ada"}) as ada,
        ):
            await subscribe_forever(eve, sample, "a")
            await sample.connections.close(CloseCode.FORBIDDEN, "Logged out", is_eve)
            assert await eve.closing() == (4403, "Logged out")
            await ada.receives_nothing_more()
        await sample.probe.until(live=0)

    @pytest.mark.parametrize("code", [CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART])
    async def test_shutdown_closes_present_and_later_websockets(
        self, served: Served, sample: Sample, code: CloseCode
    ) -> None:
        """With the same code and reason."""
        async with dial(served) as one, dial(served) as other:
            await subscribe_forever(one, sample, "a", "b")
            await sample.connections.close_all(code, "Shutting down")
            assert await one.closing() == await other.closing() == (code, "Shutting down")
        await sample.probe.until(live=0)
        async with dial(served, init=False) as late:
            assert await late.closing() == (code, "Shutting down")

    async def test_uvicorn_shutdown_sends_a_close_frame_and_waits_for_mutations(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """Without a warning in the log."""
        async with dial(served) as peer:
            await subscribe_forever(peer, sample, "a")
            await peer.subscribe('mutation { writeSlowly(value: "x") }', "b")
            await sample.probe.until(live=2)
            stopping = asyncio.create_task(served.server.shutdown())
            assert (await peer.closing())[0] == CloseCode.SERVICE_RESTART
            await sample.probe.until(live=1)
            sample.probe.release.set()
            await stopping
        assert sample.probe.written == ["x"]
        assert warnings_in(log) == []
