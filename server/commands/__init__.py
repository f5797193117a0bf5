"""Commands for an operator's terminal: they read the database of the settings, and change nothing."""
