"""The same operation, executed by its plan and by graphql-core."""

import re
from collections import Counter
from typing import Any

from graphql import OperationType
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from server.transports.documents.params import Params
from server.transports.execution import Executor
from server.transports.payloads import encode
from server.transports.results import response_map
from tests.support.random_documents import RandomDocument

CONNECTION = HTTPConnection({"type": "http", "headers": []})
# The id under which an unexpected error is logged.
_ERROR_ID = re.compile(rb'"id":"[0-9a-f]{16}"')


async def answer(executor: Executor, text: str, variables: dict[str, Any] | None = None) -> list[bytes]:
    """Return the bytes of the response, or of all messages."""
    params = Params(text, variables=variables)
    _, admitted = executor.admit(params, CONNECTION)
    if admitted.kind is not OperationType.SUBSCRIPTION:
        return [encoded(await executor.execute(params, CONNECTION, admitted))]
    messages = await executor.subscribe(params, CONNECTION, admitted)
    return [encoded(message) async for message in messages if isinstance(message, ExecutionResult)]


def encoded(result: ExecutionResult) -> bytes:
    """Return the bytes that a transport sends, without the random ids of errors."""
    return _ERROR_ID.sub(b'"id":"-"', bytes(encode(response_map(result))))


async def compare(compiled: Executor, plain: Executor, document: RandomDocument) -> None:
    """Fail unless both paths answer with the same bytes."""
    expected = await answer(plain, document.text, document.variables)
    found = await answer(compiled, document.text, document.variables)
    assert found == expected, f"{document.text}\n{document.variables}"


def left(executor: Executor) -> Counter[str]:
    """Return the reasons for which graphql-core made answers."""
    assert executor.compiled is not None
    return executor.compiled.paths.left


def compiled_count(executor: Executor) -> int:
    """Return the number of answers that were made by plans."""
    assert executor.compiled is not None
    return executor.compiled.paths.compiled
