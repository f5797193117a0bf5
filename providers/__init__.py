"""Providers make clips. They know no jobs, scenes or databases."""
