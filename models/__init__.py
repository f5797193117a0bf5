"""What a job and a scene are, what may happen to them, and where they are kept."""
