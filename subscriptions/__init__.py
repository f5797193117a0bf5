"""The live view: Subscription, and what each subscriber is yet to be sent."""

from subscriptions.subscription import Subscription

__all__ = ["Subscription"]
