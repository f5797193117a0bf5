"""Streams that many subscribers share: each value is executed and encoded once for all of them."""
