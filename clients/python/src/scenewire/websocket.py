"""One subscription on one websocket: the client of graphql-transport-ws.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from scenewire.address import Address
from scenewire.errors import Json, Refused, UserError, failure
from scenewire.http import reason_of, retry_after
from scenewire.version import VERSION

PING_SECONDS = 5.0
# A connection is lost when nothing answers for 10 s: a ping is sent after at most 5 s, and answered within 5 s.
PONG_SECONDS = 5.0
OPEN_SECONDS = 5.0
CLOSE_SECONDS = 1.0
# Messages that are received while the caller is busy. When it is full nothing more is read, and the server sends a
# LAGGED snapshot later.
UNREAD_MESSAGES = 64

FORBIDDEN = 4403
# Errors of this client, which would be repeated: RFC 6455, 7.4.1, and the protocol above.
OWN_ERRORS = (1008, 1009, 4400, 4401, 4406, 4409, 4429)
_RETRY_AFTER = re.compile(r"retry after ([0-9.]+) s")


class TokenRejected(Exception):
    """The server closed the connection because of its token."""


class ConnectionLost(Exception):
    """The connection was not made, or was lost; a new one may succeed after `retry_after_seconds`."""

    def __init__(self, reason: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class Connection:
    """An acknowledged connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def subscribe(self, document: str, variables: Mapping[str, Any]) -> None:
        """Send the subscription. Raises ConnectionLost."""
        payload = {"query": document, "variables": variables}
        await self._send({"type": "subscribe", "id": "1", "payload": payload})

    async def results(self) -> AsyncGenerator[Json]:
        """Yield `data` of each result until the server completes the subscription.

        Raises the exception of an error, ConnectionLost or TokenRejected.
        """
        while True:
            message = await self._receive()
            match message.get("type"):
                case "next":
                    payload = message["payload"]
                    if payload.get("errors"):
                        raise failure(payload["errors"])
                    yield payload["data"]
                case "error":
                    raise failure(message["payload"])
                case "complete":
                    return
                case "ping":
                    await self._send({"type": "pong"})
                case _:
                    pass

    async def initialize(self, token: str | None) -> None:
        """Authenticate, and wait for the acknowledgement. Raises ConnectionLost or TokenRejected."""
        payload = {} if token is None else {"authorization": f"Bearer {token}"}
        await self._send({"type": "connection_init", "payload": payload})
        while (await self._receive()).get("type") != "connection_ack":
            pass

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        await self._socket.close()

    async def _send(self, message: Json) -> None:
        try:
            await self._socket.send(json.dumps(message))
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def _receive(self) -> Json:
        try:
            return json.loads(await self._socket.recv())
        except ConnectionClosed as error:
            raise _closed(error) from error
        except ValueError as error:
            raise ConnectionLost(f"a message is not JSON: {error}") from error


@asynccontextmanager
async def connected(address: Address, token: str | None) -> AsyncGenerator[Connection]:
    """Connect, and close at the end of the block.

    Raises ConnectionLost, TokenRejected, and Refused for an address that is not that of a Scenewire server.
    """
    socket = await _open(address)
    try:
        connection = Connection(socket)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await connection.initialize(token)
        except TimeoutError as error:
            raise ConnectionLost("the connection was not acknowledged") from error
        yield connection
    finally:
        await socket.close()


async def _open(address: Address) -> ClientConnection:
    try:
        return await connect(
            address.websocket,
            ssl=address.tls,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            user_agent_header=f"scenewire-python/{VERSION}",
            open_timeout=OPEN_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            close_timeout=CLOSE_SECONDS,
            compression=None,
            # The state of 200 scenes is larger than the default limit of 1 MB.
            max_size=None,
            max_queue=UNREAD_MESSAGES,
        )
    except InvalidStatus as error:
        raise _status(error) from error
    except (OSError, TimeoutError, InvalidHandshake, WebSocketException, EOFError) as error:
        raise ConnectionLost(reason_of(error)) from error


def _status(error: InvalidStatus) -> Exception:
    """Return the exception for a handshake that was answered with another status than 101."""
    status = error.response.status_code
    match status:
        case 401:
            return TokenRejected(str(error))
        case 408 | 429:
            return ConnectionLost(str(error), retry_after(error.response.headers.get("retry-after")))
        case _ if status >= 500:
            return ConnectionLost(str(error))
        case _:
            return Refused([UserError("BAD_RESPONSE", f"The server refused a websocket: {error}")])


def _closed(error: ConnectionClosed) -> Exception:
    """Return the exception for a close code; without a code the connection broke."""
    close = error.rcvd
    if close is None:
        return ConnectionLost(reason_of(error))
    if close.code == FORBIDDEN:
        return TokenRejected(close.reason)
    if close.code in OWN_ERRORS:
        return Refused([UserError("PROTOCOL_ERROR", f"The server closed the connection: {close.code} {close.reason}")])
    hint = _RETRY_AFTER.search(close.reason)
    return ConnectionLost(f"{close.code} {close.reason}".strip(), 0.0 if hint is None else float(hint.group(1)))
