"""The write path: `store.change`, what a change collects, and what its transaction writes besides."""
