"""The database at start: its checks, its migration, and the lock of an SQLite file."""
