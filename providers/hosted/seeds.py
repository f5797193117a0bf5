"""Seeds of orders: the one that the user chose, or one of the order's own, by which its prediction is recognized."""

import hashlib

from providers.port import Order


def seed(key: str) -> int:
    """Return a number of 31 bits for an order's key: each take has its own seed."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) >> 1


def seed_of(order: Order) -> int:
    """Return the seed of an order."""
    return seed(order.key) if order.settings.seed is None else order.settings.seed


def is_own(order: Order) -> bool:
    """Whether the order's seed is one that no other order has."""
    return order.settings.seed is None
