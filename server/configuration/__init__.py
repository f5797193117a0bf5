"""Types and checks of settings, and variables that nothing reads."""
