"""The vocabulary of the API: Strawberry types, inputs, errors, context and loaders. Types in, types out."""
