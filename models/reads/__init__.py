"""The SELECTs that answer queries, scoped by the viewer, and those of background work."""
