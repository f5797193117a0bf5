"""Where clips come from; knows nothing of jobs, scenes or databases."""
