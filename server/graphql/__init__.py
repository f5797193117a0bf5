"""The executable schema: its types, masking of errors, compiled operations, shared streams, trusted documents."""
