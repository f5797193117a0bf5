"""The database: engines and connections, tables, and the immutable rows that reads return."""
