"""What the transports report to the application about the operations that they have answered."""
