"""Workflow templates: files of the operator, with named places for the values of an order."""
