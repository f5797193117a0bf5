"""Read the streams that send the latest value: jobProgress, sceneUpdated and jobsUpdated."""

import asyncio

import pytest

from tests.support.client import Client, Json, Stream
from tests.support.waiting import TIMEOUT_SECONDS


async def next_value(stream: Stream) -> Json:
    """Return the next value."""
    return (await stream.next())["value"]


async def values_until(stream: Stream, **fields: object) -> list[Json]:
    """Return all values up to the first that has these fields."""
    values: list[Json] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not values or {name: values[-1][name] for name in fields} != fields:
            values.append(await next_value(stream))
    return values


async def no_value_follows(stream: Stream) -> bool:
    """Return whether no value comes for longer than the interval of any of these streams."""
    try:
        async with asyncio.timeout(0.6):
            await next_value(stream)
    except TimeoutError:
        return True
    return False


async def error_of(client: Client, document: str, **variables: object) -> tuple[str, list[str] | None]:
    """Return the code and field of the error with which a subscription is refused."""
    async with client.subscribe(document, **variables) as stream:
        with pytest.raises(AssertionError) as caught:
            await stream.next()
    (error,) = caught.value.args[0]["payload"]
    return error["extensions"]["code"], error["extensions"].get("field")
