"""Every SELECT that answers a query, scoped by the viewer."""
