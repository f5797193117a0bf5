"""Queries and mutations over HTTP, from a client that sometimes does not wait for the answer."""

import asyncio
import random
from typing import Any

import httpx

from tests.support.violations import Kind, Violation

Json = dict[str, Any]
# Longer than any answer takes on a busy machine.
TIMEOUT_SECONDS = 60.0
HANG_UP_SECONDS = 0.1


class NotSent(Exception):
    """The server was down: nothing was done."""


class AnswerLost(Exception):
    """The request was sent and no answer came: it is unknown whether it was done."""


class Api:
    """A client of the server."""

    def __init__(self, url: str, random_source: random.Random) -> None:
        self._random = random_source
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS)

    async def execute(self, document: str, variables: Json, *, hang_up: float = 0.0) -> Json:
        """Return the `data` of the answer; with the probability `hang_up` the client disconnects early.

        Raises NotSent or AnswerLost, and Violation for an answer that must never be sent.
        """
        timeout = self._random.uniform(0, HANG_UP_SECONDS) if self._random.random() < hang_up else None
        try:
            async with asyncio.timeout(timeout):
                answer = await self._http.post("/graphql", json={"query": document, "variables": variables})
        except httpx.ConnectError as error:
            raise NotSent from error
        except httpx.TimeoutException as error:
            raise Violation(Kind.FAILED, f"no answer within {TIMEOUT_SECONDS} s to {document}") from error
        except (httpx.TransportError, TimeoutError) as error:
            raise AnswerLost from error
        body: Json = answer.json()
        if answer.status_code != 200 or "errors" in body:
            raise Violation(Kind.FAILED, f"{document} with {variables} was answered by {answer.status_code} {body}")
        return body["data"]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
