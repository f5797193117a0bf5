"""The stored files that the rows of a database refer to, by SQL that both databases understand."""

import json

from coordinator.storage.keys import upload_part_key, uploaded_file_key

_FILES = {
    "take": ("output", "poster", "preview", "original"),
    "job": ("output",),
    "asset": ("media", "poster"),
}
# Frames that the server makes from clips are made again when they are missing, and live frames end with their render.
_SELECTS = " UNION ".join(
    f"SELECT {column} ->> 'key' AS stored_key FROM {table}"  # noqa: S608 # our own names
    for table, columns in _FILES.items()
    for column in columns
)
MEDIA_KEYS = f"SELECT stored_key FROM ({_SELECTS}) AS files WHERE stored_key IS NOT NULL ORDER BY 1"  # noqa: S608
UPLOADED = "SELECT id, CAST(parts AS VARCHAR) FROM upload ORDER BY id"


def upload_keys(upload_id: str, parts: str) -> list[str]:
    """Return the keys of what has arrived of an upload: its parts, or the file that a client wrote into the bucket."""
    names = [str(name) for name, _ in json.loads(parts)]
    return [upload_part_key(upload_id, name) for name in names] or [uploaded_file_key(upload_id)]
