"""The domain model: rules of jobs and scenes, their tables, and all reads and writes of the database."""
