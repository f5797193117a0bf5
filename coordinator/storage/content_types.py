"""The content types of stored files, and the suffixes of their keys, by which a folder of files remembers the types."""

SUFFIXES = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "image/webp": "webp",
    "image/png": "png",
    "image/jpeg": "jpg",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
}
CONTENT_TYPES = {suffix: content_type for content_type, suffix in SUFFIXES.items()}
# Anything else is bytes that browsers save and never show: it may be a page that was delivered instead of a clip.
UNKNOWN, UNKNOWN_SUFFIX = "application/octet-stream", "bin"


def stored_type(content_type: str) -> str:
    """Return the type under which a file is stored: lower case, without parameters, and UNKNOWN for other types."""
    plain = content_type.partition(";")[0].strip().lower()
    return plain if plain in SUFFIXES else UNKNOWN


def picture_type(head: bytes) -> str | None:
    """Return the content type of a still or animated picture by its first 12 bytes; None for other files."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/jpeg" if head.startswith(b"\xff\xd8\xff") else None


def suffix_of(stored: str) -> str:
    """Return the suffix of the keys of files of a stored type."""
    return SUFFIXES.get(stored, UNKNOWN_SUFFIX)


def type_of(key: str) -> str:
    """Return the content type of the file under a key."""
    return CONTENT_TYPES.get(key.rpartition(".")[2], UNKNOWN)
