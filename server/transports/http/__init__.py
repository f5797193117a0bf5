"""GraphQL over HTTP and over server-sent events."""
