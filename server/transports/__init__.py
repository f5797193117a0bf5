"""GraphQL over HTTP, server-sent events and websocket, for any Strawberry schema.

Imports nothing: settings and the command line need `limits` alone, and GraphQL and the web framework take a second to
import.
"""
