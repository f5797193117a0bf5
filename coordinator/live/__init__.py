"""The live view: one reader per watched job fans out events to its subscribers; dashboards watch many jobs."""
