"""Hand-written programs that do one work and nothing else: the limits of what a Python server can reach."""
