"""Builds the image and runs it, where buildah is: `python -m tests.image`."""
