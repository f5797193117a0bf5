"""The limits of the transports and of documents."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Limits per request, connection and process; each name carries its unit."""

    body_bytes: int = 1_048_576
    """A larger HTTP body is rejected with 413; counted while it is received."""

    head_bytes: int = 65_536
    """A larger request head, or larger trailers of a chunked body, are rejected with 431; a longer address with 414."""

    head_fields: int = 100
    """Headers and trailers of one request; one more is rejected with 431."""

    body_chunks: int = 16_384
    """A chunked body in more parts is rejected with 413: each part costs time, however small it is."""

    document_tokens: int = 10_000
    """Lexical tokens of a document; each costs parsing time and memory."""

    idle_seconds: int = 75
    """How long a connection without a request is kept. Proxies keep theirs for a shorter time, mostly 60 s: a proxy
    that sends a request while the server closes the connection answers 502."""

    header_seconds: float = 10
    """Deadline for the complete head of a request, from its first byte or from the connection."""

    body_seconds: float = 30
    """Deadline for the complete body, from the end of the head."""

    upload_path: str = "/uploads/"
    """Where files are uploaded: a body of any size, that only must not stop to arrive."""

    upload_stall_seconds: float = 60
    """An upload of which nothing arrives for this time, while the server reads it, is rejected with 408."""

    upload_chunks: int = 4_194_304
    """A chunked upload in more parts is rejected with 413."""

    half_open: int = 2_000
    """Connections without a complete request head; one more drops the oldest of them. As many as websockets may be
    pending: clients that connect at the same moment are half-open first, and many of them do not retry when dropped."""

    download_stall_seconds: float = 120
    """A peer that reads nothing of a plain response for this time is dropped. A paused video player is dropped too, and
    resumes with a range request."""

    kept_head_bytes: int = 16 * 2**20
    """Memory for the heads of requests that clients send again and again; 0 keeps none."""

    kept_query_bytes: int = 16 * 2**20
    """Memory for queries that clients send again and again; 0 keeps none."""

    messages_burst: int = 200
    messages_per_second: float = 50
    """A websocket that sends more messages is closed with 1013."""

    frames_burst: int = 400
    frames_per_second: float = 200
    """A websocket that sends more text, binary and continuation frames is closed with 1013."""

    fragments_per_message: int = 256
    """A message in more frames closes the websocket with 1008."""

    control_frames_burst: int = 50
    control_frames_per_second: float = 10
    """A websocket that sends more pings and unsolicited pongs is closed with 1008."""

    pending_per_address: int = 500
    pending_connections: int = 2_000
    """Websockets before their `connection_init`, per address (IPv6: per /64 network) and in all; one more closes an
    older one with 1013."""

    message_bytes: int = 262_144
    """A larger websocket message closes the websocket with 1009 (RFC 6455)."""

    init_seconds: float = 5
    """Deadline for `connection_init`, from the handshake."""

    operations_per_socket: int = 50
    """Concurrent operations of a websocket; one more gets an `error` message, the others continue."""

    keep_alive_seconds: float = 10
    """Interval of websocket pings, and of comments in an event stream."""

    dead_after_seconds: float = 30
    """A peer that acknowledges nothing for this time is dropped."""

    stall_seconds: float = 30
    """A websocket or event stream whose peer reads nothing for this time is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """The maximum of each measure of a document."""

    depth: int = 8
    """Levels of fields below the root fields; introspection counts as `introspection_depth` instead."""

    aliases: int = 15
    directives: int = 20
    tokens: int = 1_000
    characters: int = 15_000
    root_fields: int = 5
    mutations: int = 4

    cost: int = 6_000
    """As computed by `cost`: some 50 ms of one core at most, or pages of 100 jobs with 50 scenes each."""

    repeats: int = 50
    """Fields whose response name already occurs in their selection set."""

    items: int = 1_000
    """Items of one list in the variables; each is validated and converted in Python."""

    introspection_depth: int = 20
    """GraphiQL's own query has 14 levels."""
