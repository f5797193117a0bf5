"""Attacks on a server of the production profile, and their effect on other users."""
