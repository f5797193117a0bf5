"""Hints that a job changed, between coordinators: the port, one for a single process and one on Postgres NOTIFY."""
