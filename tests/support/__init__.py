"""Helpers for tests: clients, servers, databases, factories. No test folder imports from another, only from here."""
