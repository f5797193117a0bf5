"""The live view: the hub fans the events of each watched job out to its subscribers; dashboards watch many jobs."""
