"""What an operator sees of the process: log lines, metrics and traces."""
