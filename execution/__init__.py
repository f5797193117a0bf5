"""Compiles operations of a Strawberry schema to Python functions; knows nothing of jobs."""
