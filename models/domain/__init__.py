"""The rules of jobs and scenes as pure data and functions: no SQLAlchemy, no I/O."""
