"""Documents and their parameters: parsing, limits, cost, persisted documents, and compiled operations."""
