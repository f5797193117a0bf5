"""The program that draws and encodes a clip in a process of its own: `python -m providers.render`."""
