"""Rate limits of each caller, in the memory of one process."""
