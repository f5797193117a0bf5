"""The commands of users and external workers. Each checks and writes one change, and knows no queue, bus or storage."""
