"""Quota: the state of a rate limit."""

from datetime import datetime

import strawberry

from models.domain import quota


@strawberry.type(description="The state of a rate limit (token bucket). 2147483647 means unlimited.")
class Quota:
    """Converted from `models.domain.quota.Quota`."""

    limit: int = strawberry.field(description="Maximum number of uses at once: the size of the bucket.")
    remaining: int = strawberry.field(description="Number of uses available now.")
    reset_at: datetime = strawberry.field(description="When the bucket is full again, if unused until then.")


def as_shown(where: quota.Quota) -> Quota:
    """Convert the domain's quota."""
    return Quota(limit=where.limit, remaining=where.remaining, reset_at=where.reset_at)
