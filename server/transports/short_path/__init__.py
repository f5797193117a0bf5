"""Requests and queries that clients send again: executed without parsing and checking them again."""
