"""Clips bought from Replicate (https://replicate.com/docs/reference/http), over its HTTP API."""
