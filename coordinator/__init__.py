"""The only code that changes anything: verbs on jobs and scenes, renders, dispatch, the event bus, recovery."""
