"""Resources of the messages of a stream are released before they are sent, so a slow client keeps none."""

from contextlib import aclosing

from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from server.transports.documents.document_limiter import Admitted
from server.transports.documents.documents import find_operation, parse_document
from server.transports.documents.params import Params
from server.transports.execution import Executor
from server.transports.limits import TransportLimits
from tests.support.sample_app import SCHEMA, Context, Probe

DOCUMENT = "subscription { count(to: 3) }"
ADMITTED = Admitted(find_operation(parse_document(DOCUMENT, None), None).operation)


class Recorder(Context):
    """Counts the messages of a stream, and those for which the resources were released."""

    released = 0

    async def answered(self) -> None:
        self.released += 1


def data_of(result: object) -> object:
    """Return the data of a message that is not shared."""
    assert isinstance(result, ExecutionResult)
    return result.data


async def test_resources_of_a_message_are_released_before_it_is_sent() -> None:
    """The consumer has not requested the next result, as when a client reads nothing."""
    connection = HTTPConnection({"type": "http", "headers": []})
    recorder = Recorder(Probe(), connection)

    async def context(_connection: HTTPConnection) -> Context:
        return recorder

    results = await Executor(SCHEMA, context, TransportLimits()).subscribe(Params(DOCUMENT), connection, ADMITTED)
    async with aclosing(results):
        for number in (1, 2, 3):
            assert data_of(await anext(results)) == {"count": number}
            assert recorder.released == number


async def test_messages_of_one_moment_are_made_before_the_first_is_sent() -> None:
    """The messages share their resources, which are released once."""
    connection = HTTPConnection({"type": "http", "headers": []})
    recorder = Recorder(Probe(), connection, more_follow=True)

    async def context(_connection: HTTPConnection) -> Context:
        return recorder

    results = await Executor(SCHEMA, context, TransportLimits()).subscribe(Params(DOCUMENT), connection, ADMITTED)
    assert data_of(await anext(results)) == {"count": 1}
    # The source has ended: all its values were taken.
    assert (recorder.released, recorder.probe.live) == (1, 0)
    assert [data_of(result) async for result in results] == [{"count": 2}, {"count": 3}]
