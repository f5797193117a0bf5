"""Queries and mutations over HTTP, and the three ways in which one ends."""

import asyncio
import random
from typing import Any

import httpx

from tests.chaos.violations import Kind, Violation

Json = dict[str, Any]
PATIENCE_SECONDS = 30.0
HANG_UP_SECONDS = 0.1


class Unsent(Exception):
    """Nobody was there to be asked."""


class Lost(Exception):
    """It was sent and the answer did not come: nobody knows what was done."""


class Api:
    """Asks the server, and lets go of some answers on purpose."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self._chance = chance
        self._http = httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS)

    async def ask(self, document: str, variables: Json, *, hang_up: float = 0.0) -> Json:
        """The `data` of the answer; with the probability `hang_up` the client does not wait for it.

        Raises Unsent or Lost, and Violation for an answer that no client should ever get.
        """
        patience = self._chance.uniform(0, HANG_UP_SECONDS) if self._chance.random() < hang_up else None
        try:
            async with asyncio.timeout(patience):
                answer = await self._http.post("/graphql", json={"query": document, "variables": variables})
        except httpx.ConnectError as error:
            raise Unsent from error
        except httpx.TimeoutException as error:
            raise Violation(Kind.FAILED, f"no answer within {PATIENCE_SECONDS} s to {document}") from error
        except (httpx.TransportError, TimeoutError) as error:
            raise Lost from error
        body: Json = answer.json()
        if answer.status_code != 200 or "errors" in body:
            raise Violation(Kind.FAILED, f"{document} with {variables} was answered by {answer.status_code} {body}")
        return body["data"]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
