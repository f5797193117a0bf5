"""Looks at clips of unknown make within limits: their container, codecs, size, orientation, colours and pace."""
