"""The program that draws and encodes a clip, in a separate process: `python -m providers.render`."""
