"""Assets: the files of owners that takes are made from. Pure; no SQLAlchemy."""

from enum import StrEnum


class AssetKind(StrEnum):
    """What a file is."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"


class AssetStatus(StrEnum):
    """Where an asset stands. It is READY or REJECTED for good."""

    WAITING = "WAITING"
    """The bytes were announced, and are not complete or not looked at yet."""

    READY = "READY"
    REJECTED = "REJECTED"


# The content types that are accepted, by kind: those that the inspecting process recognises by the bytes.
CONTENT_TYPES = {
    AssetKind.IMAGE: ("image/png", "image/jpeg", "image/webp"),
    AssetKind.VIDEO: ("video/mp4", "video/quicktime", "video/webm", "video/x-matroska"),
    AssetKind.AUDIO: ("audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "audio/mp4"),
}
# Other names of the same types, which browsers and `file` use.
_ALIASES = {
    "image/jpg": "image/jpeg",
    "video/matroska": "video/x-matroska",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/opus": "audio/ogg",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
}


def plain_type(content_type: str) -> str:
    """Return a content type in lower case, without parameters, and under its usual name."""
    plain = content_type.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)
