"""Responses of HTTP: content negotiation, errors as JSON, and writes of head and body together."""
