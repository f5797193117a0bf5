"""Who is asking: bearer tokens, the keys they are checked with, their revocation, and the gate that asks for them."""
