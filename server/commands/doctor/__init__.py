"""The command `doctor`: looks at everything that the server depends on, and says what to do about it."""
