"""The live view: the Subscription type, and the state of each subscriber's stream."""

from subscriptions.subscription import Subscription

__all__ = ["Subscription"]
