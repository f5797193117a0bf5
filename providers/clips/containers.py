"""The container of a file, recognised by its first bytes: names and reported content types are not trusted."""

from pathlib import Path
from typing import NamedTuple

# The header of an EBML file (RFC 8794) is far shorter, and so is the first box of an ISO file.
HEAD_BYTES = 4096
_EBML = b"\x1a\x45\xdf\xa3"
_DOC_TYPE = b"\x42\x82"
# Brands of ISO files with still pictures (AVIF, HEIF) or sound alone.
_OTHER_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1", b"M4A ", b"M4B "})
# The first box of QuickTime files from before the box `ftyp` existed.
_OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


class Container(NamedTuple):
    """A kind of file. FFmpeg gets the demuxer explicitly, so that no file is read as a playlist."""

    demuxer: str
    content_type: str
    suffix: str


MP4 = Container("mp4", "video/mp4", "mp4")
QUICKTIME = Container("mov", "video/quicktime", "mov")
WEBM = Container("webm", "video/webm", "webm")
MATROSKA = Container("matroska", "video/x-matroska", "mkv")


def container_of(path: Path) -> Container | None:
    """Return the container of a file; None for anything that is not a clip."""
    with path.open("rb") as file:
        return recognised(file.read(HEAD_BYTES))


def recognised(head: bytes) -> Container | None:
    """Return the container of a file that begins with these bytes."""
    if head.startswith(_EBML):
        return _ebml(head)
    kind = head[4:8]
    if kind == b"ftyp":
        brand = head[8:12]
        if brand in _OTHER_BRANDS:
            return None
        return QUICKTIME if brand == b"qt  " else MP4
    return QUICKTIME if kind in _OLD_QUICKTIME else None


def _ebml(head: bytes) -> Container | None:
    at = head.find(_DOC_TYPE)
    if at < 0:
        return None
    # The element's length, a number of one byte for names this short, precedes its value.
    value = head[at + 3 : at + 3 + (head[at + 2] & 0x7F)].rstrip(b"\0") if at + 2 < len(head) else b""
    return {b"webm": WEBM, b"matroska": MATROSKA}.get(value)
