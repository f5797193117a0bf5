"""The queue of render and assembly tickets: the port, an in-memory implementation and one on Postgres."""
