"""How often something may be done, as it is shown."""

from datetime import datetime

import strawberry

from models.domain import quota


@strawberry.type(description="How often something may be done. 2147483647 stands for no limit.")
class Quota:
    """A bucket that time fills again."""

    limit: int = strawberry.field(description="How often at once, at most.")
    remaining: int = strawberry.field(description="How often at once, now.")
    reset_at: datetime = strawberry.field(description="When the limit is reached again, if nothing is done until then.")


def as_shown(where: quota.Quota) -> Quota:
    """In the words of the schema."""
    return Quota(limit=where.limit, remaining=where.remaining, reset_at=where.reset_at)
