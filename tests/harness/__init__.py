"""What tests are written with: a server in a process of its own, a server in this one, and clients of both."""
