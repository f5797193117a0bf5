"""The processes of a server: one that serves or renders, the supervisor of several, their sockets and signals."""
