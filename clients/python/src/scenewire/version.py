"""The version of this package; equal to that of pyproject.toml."""

VERSION = "0.1.0"
