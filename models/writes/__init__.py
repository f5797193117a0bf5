"""The one write path: store.change, what a change collects, and what is written in its transaction."""
