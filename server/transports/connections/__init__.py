"""Open websockets and event streams: their registry, their slots, the client's network, and the TCP connection."""
