"""Media: a file and its URL."""

from datetime import datetime
from typing import Any, ClassVar

import strawberry

from coordinator.storage.keys import live_frame_key
from execution.versions import VersionedColumns
from schema.context import Context
from schema.scalars import INT_MAX, SafeInt, safe_int, whole_number


@strawberry.type(description="A media file: a clip, a still image or a preview.")
class Media:
    """Made from the stored description of a file by `media`."""

    versioned_columns: ClassVar = VersionedColumns()

    url: str = strawberry.field(
        description="Supports byte ranges. A signed URL is valid until expiresAt; query it again for a new one."
    )
    content_type: str
    expires_at: datetime | None = strawberry.field(description="Null when the URL does not expire.")
    size_bytes: SafeInt | None
    width: int | None
    height: int | None
    duration_seconds: float | None


def media(context: Context, stored: dict[str, Any] | None) -> Media | None:
    """Return a stored file with its URL: from `link` for this server's storage, the given one for an external file."""
    if stored is None:
        return None
    link = context.link_to(stored)
    return Media(
        url=link.url,
        content_type=stored["content_type"],
        expires_at=link.expires_at,
        size_bytes=safe_int(stored.get("size_bytes")),
        width=whole_number(stored.get("width"), INT_MAX),
        height=whole_number(stored.get("height"), INT_MAX),
        duration_seconds=stored.get("duration_seconds"),
    )


def live_frame(context: Context, take_id: str, frame: int) -> Media:
    """Return the newest frame of a running render; the frame number in the URL bypasses caches."""
    link = context.link(live_frame_key(take_id), frame)
    return Media(
        url=link.url,
        content_type="image/webp",
        expires_at=link.expires_at,
        size_bytes=None,
        width=None,
        height=None,
        duration_seconds=None,
    )
