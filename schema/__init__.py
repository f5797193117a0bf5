"""The types of the API: Strawberry types, inputs, errors, context and loaders."""
