"""Authentication: bearer tokens, the keys that verify them, their revocation, and the middleware that requires them."""
