"""The messages of a websocket client, in the order of the protocol specification.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md#message-types
"""

from dataclasses import dataclass

from server.transports.closing import CloseCode, CloseConnection
from server.transports.documents.params import InvalidParams, Params, is_object, read_params
from server.transports.payloads import InvalidJSON, decode

Payload = dict[str, object]


class InvalidMessage(ValueError):
    """The type or format of a message is not part of the protocol. Its text becomes the close reason."""


@dataclass(frozen=True, slots=True)
class ConnectionInit:
    payload: Payload | None


@dataclass(frozen=True, slots=True)
class Ping:
    payload: Payload | None


@dataclass(frozen=True, slots=True)
class Pong:
    payload: Payload | None


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: str
    params: Params


@dataclass(frozen=True, slots=True)
class Complete:
    id: str


ClientMessage = ConnectionInit | Ping | Pong | Subscribe | Complete


def read_message(text: str) -> ClientMessage:
    """Parse a message. Raises InvalidMessage."""
    try:
        message = decode(text)
    except InvalidJSON as error:
        raise InvalidMessage(f"Message {error}") from None
    if not is_object(message):
        raise InvalidMessage("Message must be a JSON object")
    match message.get("type"):
        case "connection_init":
            return ConnectionInit(_payload(message))
        case "ping":
            return Ping(_payload(message))
        case "pong":
            return Pong(_payload(message))
        case "subscribe":
            return Subscribe(_id(message), _params(message))
        case "complete":
            return Complete(_id(message))
        case str(name):
            raise InvalidMessage(f"Unexpected message of type {name!r}")
        case _:
            raise InvalidMessage("Message must have a `type`")


def _payload(message: dict[str, object]) -> Payload | None:
    payload = message.get("payload")
    if payload is None or is_object(payload):
        return payload
    raise InvalidMessage("Message `payload` must be an object or null")


def _id(message: dict[str, object]) -> str:
    match message.get("id"):
        case str(value) if value:
            return value
        case _:
            raise InvalidMessage("Message `id` must be a string of at least one character")


def _params(message: dict[str, object]) -> Params:
    try:
        return read_params(message.get("payload"))
    except InvalidParams as error:
        raise InvalidMessage(f"Message `payload`: {error}") from None


def accepted_message(text: str | None, most_bytes: int) -> ClientMessage:
    """Return a received message; `text` is None for a binary one.

    Raises CloseConnection for one that is no message of the protocol, or is longer than `most_bytes`.
    """
    if text is None:
        raise CloseConnection(CloseCode.BAD_REQUEST, "Message must be text in UTF-8")
    if len(text.encode()) > most_bytes:
        raise CloseConnection(CloseCode.MESSAGE_TOO_BIG, "Message too big")
    try:
        return read_message(text)
    except InvalidMessage as error:
        raise CloseConnection(CloseCode.BAD_REQUEST, str(error)) from None
