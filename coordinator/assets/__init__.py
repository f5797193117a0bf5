"""Assets of owners, and uploads: announced, received, looked at, kept and deleted."""
