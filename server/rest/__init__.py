"""REST v3, for existing clients: a thin adapter over the same commands and reads as GraphQL."""
