"""The client of one server."""

import ssl as tls
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from scenewire import documents
from scenewire.address import address_of
from scenewire.calls import Calls
from scenewire.errors import Json
from scenewire.following import Message, View
from scenewire.http import Http
from scenewire.inputs import JobFilter, to_json
from scenewire.listing import JobList, Jobs, job_of, lists
from scenewire.streams import Connected, OnState, Streams, Subscription, ignore_state
from scenewire.tokens import Tokens, TokenSource


class Client(Calls):
    """Calls over HTTP, and streams over websockets, each with a connection of its own.

    `url` is that of the server, such as https://example.com/scenewire. `token` is a bearer token, or a callback that
    returns one: it is asked before the first request, before the token expires, and when the server refuses it.
    `ssl` replaces the usual certificate authorities. `timeout_seconds` limits each wait for a part of an answer.

    Use it as `async with Client(url) as client`. Raises ValueError for a `url` that is none.
    """

    def __init__(
        self,
        url: str,
        token: TokenSource | None = None,
        *,
        ssl: tls.SSLContext | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        address, tokens = address_of(url, ssl), Tokens(token)
        self._http = Http(address, tokens, timeout_seconds)
        self._streams = Streams(address, tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the streams, and close all connections. Idempotent."""
        await self._streams.close()
        await self._http.close()

    async def execute(self, document: str, variables: Mapping[str, Any] | None = None) -> Json:
        """Run any query or mutation; return `data`. Errors of payloads are left to the caller.

        Raises Refused, TokenRefused, Unavailable, ServerError.
        """
        return await self._http.execute(document, variables or {})

    async def follow(
        self,
        job_id: str,
        *,
        after: int | None = None,
        until_settled: bool = False,
        on_state: OnState = ignore_state,
    ) -> AsyncGenerator[Message]:
        """Yield every change of a job, each exactly once and in order, and the progress of its renders.

        Each message has the whole job. Without `after` the first one is a snapshot; with it the events after that
        version. Resumes after every interruption. Ends when the job is purged, when the client is closed, and with
        `until_settled` once the job is COMPLETED, FAILED or CANCELED. Raises NotFound, Refused, TokenRefused.
        """
        view = View(after)

        def variables() -> Json:
            return {"jobId": job_id, "after": view.position, "untilSettled": until_settled}

        stream = self._streams.follow(Subscription(documents.FOLLOW, variables), view.fold, on_state)
        async with aclosing(stream) as messages:
            async for message in messages:
                if message is not None and not isinstance(message, Connected):
                    yield message

    async def follow_jobs(
        self,
        filter: JobFilter | None = None,  # noqa: A002 # its name in the schema
        *,
        on_state: OnState = ignore_state,
    ) -> AsyncGenerator[Jobs]:
        """Yield the list of jobs that match, the newest first, whenever it changes; intermediate lists may be skipped.

        After an interruption the next list is the current one. Raises Refused, TokenRefused.
        """
        variables = {"filter": to_json(filter)}

        async def ids() -> set[str]:
            return {job_id async for job_id in self._ids(variables)}

        subscription = Subscription(documents.FOLLOW_JOBS, lambda: variables)
        async with (
            aclosing(self._streams.follow(subscription, job_of, on_state)) as messages,
            aclosing(lists(messages, JobList(filter), ids)) as found,
        ):
            async for jobs in found:
                yield jobs

    async def subscribe(
        self,
        document: str,
        variables: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        *,
        on_state: OnState = ignore_state,
    ) -> AsyncGenerator[Json]:
        """Yield `data` of each result of any subscription, which is sent again after a lost connection.

        `variables` may be a function, which is called at each subscribe. Raises Refused, NotFound, TokenRefused.
        """
        get = variables if callable(variables) else lambda: variables or {}
        async with aclosing(self._streams.follow(Subscription(document, get), _same, on_state)) as results:
            async for result in results:
                if not isinstance(result, Connected):
                    yield result

    async def _ids(self, variables: Json) -> AsyncGenerator[str]:
        after: str | None = None
        while True:
            page = (await self.execute(documents.JOB_IDS, {**variables, "after": after}))["jobs"]
            for node in page["nodes"]:
                yield node["id"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]


def _same(data: Json) -> Json:
    return data
