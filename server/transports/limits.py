"""How much one client may ask of the server before it is told to stop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Each name carries its unit."""

    body_bytes: int = 1_048_576
    """An HTTP body beyond it is answered with 413; counted while it arrives."""

    document_tokens: int = 10_000
    """Lexical tokens of one document: parsing costs time and memory for each."""

    header_seconds: float = 10
    """The head of a request must be complete so long after its first byte, or after the connection was made."""

    body_seconds: float = 30
    """And its body so long after that."""

    half_open: int = 500
    """Connections without a complete head; one more, and the oldest of them is dropped."""

    download_stall_seconds: float = 120
    """A peer that reads nothing of a plain answer for so long is cut off. A player that is paused reads nothing either,
    and takes up again where it was."""

    messages_burst: int = 200
    messages_per_second: float = 50
    """A socket that sends more messages is closed with 4429."""

    silent_per_address: int = 100
    silent_sockets: int = 1_000
    """Sockets before their `connection_init`, by address and in all; one more, and the oldest is closed with 4429."""

    message_bytes: int = 262_144
    """A websocket message beyond it closes the socket with 1009, RFC 6455's own code for it."""

    init_seconds: float = 5
    """`connection_init` must arrive within it after the handshake, whatever else arrives."""

    operations_per_socket: int = 50
    """One more is answered with an `error` message for its id; the socket and the others live on."""

    keep_alive_seconds: float = 10
    """Between two websocket pings, and between two comments of an event stream."""

    dead_after_seconds: float = 30
    """A peer that answered nothing for so long is gone."""

    stall_seconds: float = 30
    """A peer that has not read what was written to it for so long is cut off."""
