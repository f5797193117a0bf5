"""Whether a file ends where its container says: a download or an upload that was cut off does not."""

import os
from pathlib import Path
from typing import BinaryIO

from providers.clips.containers import Container
from providers.clips.problems import TRUNCATED, BadClip

# ISO/IEC 14496-12, 4.2: a size of 1 means that eight bytes with the size follow, 0 that the box goes to the end.
_LARGE_SIZE, _TO_THE_END = 1, 0
_BOX_HEADER_BYTES = 8
_BOXES = frozenset({b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"mfra", b"sidx"})
# Boxes that a fragment follows.
_ANNOUNCE_MORE = frozenset({b"styp", b"sidx", b"moof"})
# RFC 9559, section 5: the element that holds all others. It and a cluster have no size in a live recording.
_SEGMENT = 0x18538067
# A file of many more boxes or elements is not walked to its end; reading its packets has limits of its own.
_MOST_STEPS = 100_000


def check_whole(path: Path, container: Container) -> None:
    """Raise BadClip (TRUNCATED) when a part of the file extends beyond its end, or its index is missing."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if container.demuxer in ("mp4", "mov"):
            _check_boxes(file, size)
        else:
            _check_elements(file, size)


def _check_boxes(file: BinaryIO, size: int) -> None:
    at, indexed, last = 0, False, b""
    for _ in range(_MOST_STEPS):
        if size - at < _BOX_HEADER_BYTES:
            break
        file.seek(at)
        header = file.read(_BOX_HEADER_BYTES)
        length, kind = int.from_bytes(header[:4]), header[4:]
        if length == _LARGE_SIZE:
            length = int.from_bytes(file.read(8))
        elif length == _TO_THE_END:
            length = size - at
        if length < _BOX_HEADER_BYTES:
            # No box: padding behind the last one, which players ignore.
            break
        if at + length > size:
            if kind not in _BOXES:
                # Bytes behind the last box, which players ignore.
                break
            raise _cut_off(at + length - size)
        indexed, last = indexed or kind == b"moov", kind
        at += length
    if not indexed:
        raise BadClip(TRUNCATED, "is cut off: it has no index")
    if last in _ANNOUNCE_MORE:
        raise BadClip(TRUNCATED, "is cut off: its last fragment is missing")


def _check_elements(file: BinaryIO, size: int) -> None:
    at, end = 0, size
    for _ in range(_MOST_STEPS):
        if at >= end:
            return
        file.seek(at)
        header = file.read(12)
        kind, id_bytes = _number(header, keep_marker=True)
        length, length_bytes = _number(header[id_bytes:], keep_marker=False)
        if not (id_bytes and length_bytes):
            # No element: padding, or a cut within a header.
            return
        start = at + id_bytes + length_bytes
        unknown = length == (1 << 7 * length_bytes) - 1
        if not unknown and start + length > size:
            raise _cut_off(start + length - size)
        if kind == _SEGMENT and not unknown:
            end = start + length
        at = start if kind == _SEGMENT or unknown else start + length


def _number(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """Return a variable-size number (RFC 8794, section 4) and its length in bytes; 0 bytes when it is none."""
    length = 9 - data[0].bit_length() if data and data[0] else 0
    if not length or len(data) < length:
        return 0, 0
    value = int.from_bytes(data[:length])
    return value if keep_marker else value & ((1 << 7 * length) - 1), length


def _cut_off(missing: int) -> BadClip:
    return BadClip(TRUNCATED, f"is cut off: {missing} bytes are missing")
