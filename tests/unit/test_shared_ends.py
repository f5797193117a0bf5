"""How the shared stream of one subscriber ends."""

import random
from typing import Any, cast

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from server.transports.shared.member import PulledOutlet
from tests.support.shared_followers import Streams
from tests.support.shared_world import World


async def test_error_that_ends_a_stream_is_sent_although_its_group_ends_meanwhile() -> None:
    """The subscriber has not taken its error yet when all streams of the group end without one."""
    streams = Streams(World(random.Random("one"), events_show_progress=True))
    member = streams.join(streams.ask(None), PulledOutlet(cast("Any", None)))
    error = ExecutionResult(data=None, errors=[GraphQLError("There is no such job.")])
    member.group.end([member], error)
    member.group.end([member])
    assert [each async for each in member.messages()] == [error]
    member.leave()
    await streams.stopped([member])
