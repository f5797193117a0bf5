"""The program that joins clips into one video, in a separate process: `python -m providers.joining`."""
