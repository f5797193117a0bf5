"""The program that joins clips to one video in a process of its own: `python -m providers.joining`."""
