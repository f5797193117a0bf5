"""The database: engines and connections, tables, and the light rows that reads return."""
