"""What the background work tells logs, metrics and traces: the port, log lines of takes, and spans."""
