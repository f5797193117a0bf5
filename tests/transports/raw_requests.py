"""Requests as bytes on the wire."""

import json

BODY = json.dumps({"query": "{ hello }"}).encode()
JSON_POST = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
WHOLE = JSON_POST + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKS = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:]))
CHUNKED = JSON_POST + b"transfer-encoding: chunked\r\n"
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n"
)
