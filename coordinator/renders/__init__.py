"""Renders and assemblies: claim a take, follow its provider, record the result, recover what a dead process left."""
