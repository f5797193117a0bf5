"""Media: a file, by address."""

from datetime import datetime
from typing import Any

import strawberry

from schema.context import Context


@strawberry.type(description="A file, by address.")
class Media:
    """A clip, a still or a preview."""

    url: str = strawberry.field(description="Serves byte ranges. May be signed: read it again after expiresAt.")
    content_type: str
    expires_at: datetime | None
    size_bytes: int | None
    width: int | None
    height: int | None
    duration_seconds: float | None


def media(context: Context, stored: dict[str, Any] | None) -> Media | None:
    """What is stored of a file, as the API shows it: ours by key, somebody else's by the address they gave."""
    if stored is None:
        return None
    link = context.link_to(stored)
    return Media(
        url=link.url,
        content_type=stored["content_type"],
        expires_at=link.expires_at,
        size_bytes=stored.get("size_bytes"),
        width=stored.get("width"),
        height=stored.get("height"),
        duration_seconds=stored.get("duration_seconds"),
    )


def live_frame(context: Context, take_id: str, frame: int) -> Media:
    """The newest frame of a running render; its number makes each address new to caches."""
    link = context.link(f"live/{take_id}.webp", frame)
    return Media(
        url=link.url,
        content_type="image/webp",
        expires_at=link.expires_at,
        size_bytes=None,
        width=None,
        height=None,
        duration_seconds=None,
    )
