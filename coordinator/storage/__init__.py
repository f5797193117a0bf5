"""Stored files and retention: media, garbage collection of deleted jobs, and pruning of the event log."""
