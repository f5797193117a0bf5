"""What the transports tell the application about the operations that they have answered."""
