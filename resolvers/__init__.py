"""The verbs of the API: Query and Mutation. Unpack, call one thing, wrap the answer."""
