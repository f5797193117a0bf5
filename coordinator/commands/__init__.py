"""Commands of users and external workers: each checks and writes one change, and knows no queue, bus or storage."""
