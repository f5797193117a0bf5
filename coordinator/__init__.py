"""The only code that changes state: commands, renders, the queue, the event bus, live updates, webhooks and storage."""
