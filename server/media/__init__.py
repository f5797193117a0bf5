"""Media files over HTTP, their signed URLs, and the check of their store."""
