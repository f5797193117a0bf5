"""Telemetry of the background work: the port, log lines of takes, and spans."""
