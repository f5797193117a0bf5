"""The providers of a process: built-in and installed ones, their settings, and callbacks of hosted services."""
