"""The files in the output of a model, in the order in which they may be its clip.

An output has the shape that its model likes: an address, a list of them, or an object that also has pictures, a
preview or sound.
"""

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple, cast
from urllib.parse import urlsplit

# More files than this are not tried.
MOST_CANDIDATES = 10
# As deep as outputs are searched, which are untrusted.
DEEPEST = 20
VIDEO_SUFFIXES = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "qt": "video/quicktime",
    "mkv": "video/x-matroska",
}
_OTHER_SUFFIX = re.compile(
    r"png|jpe?g|webp|gif|avif|heic|bmp|tiff?|svg|wav|mp3|m4a|aac|flac|ogg|opus|txt|json|srt|vtt|zip|pt|safetensors|npz|glb"
)
_WORD_IN_NAME = re.compile(r"[a-z]+")
_CLIP_NAMES = {"video", "videos", "clip", "clips", "movie", "film", "mp", "animation", "result", "final", "output"}
_OTHER_NAMES = {
    *("preview", "thumbnail", "thumb", "poster", "cover", "still", "image", "images", "picture", "frame", "frames"),
    *("mask", "audio", "sound", "music", "voice", "subtitle", "subtitles", "caption", "captions", "log", "logs"),
    *("metadata", "depth", "pose", "sprite", "storyboard", "watermarked", "input", "reference", "source", "gif"),
}


class Likelihood(IntEnum):
    """How likely a file is the clip, by the name of its field and its own."""

    LIKELY = 0
    POSSIBLE = 1
    UNLIKELY = 2


class Candidate(NamedTuple):
    """The address of a file, http(s) or data, and how likely it is the clip."""

    likelihood: Likelihood
    address: str

    @property
    def is_inline(self) -> bool:
        """Whether the address holds the file itself (RFC 2397)."""
        return self.address[:5].lower() == "data:"

    @property
    def announced_type(self) -> str | None:
        """The content type of a clip that the suffix of the address announces."""
        return None if self.is_inline else VIDEO_SUFFIXES.get(_suffix(self.address))


def candidates(output: object) -> Sequence[Candidate]:
    """Return the files in an output that may be its clip, the most likely first.

    Files that are said to be something else, such as a preview, are returned only when there are no others.
    """
    found = sorted(dict.fromkeys(_found(output, ())), key=lambda each: each.likelihood)
    likely = [each for each in found if each.likelihood is not Likelihood.UNLIKELY]
    return (likely or found)[:MOST_CANDIDATES]


def _found(output: object, names: tuple[str, ...]) -> Iterator[Candidate]:
    match output:
        case str() if output[:8].lower().startswith(("http://", "https://", "data:")):
            yield Candidate(_likelihood(output, names), output)
        case list() if len(names) < DEEPEST:
            for item in cast("list[object]", output):
                yield from _found(item, (*names, ""))
        case dict() if len(names) < DEEPEST:
            for name, item in cast("dict[str, object]", output).items():
                yield from _found(item, (*names, name))
        case _:
            pass


def _likelihood(address: str, names: tuple[str, ...]) -> Likelihood:
    words = {word for name in names for word in _WORD_IN_NAME.findall(name.lower())}
    if words & _OTHER_NAMES or _is_other(address):
        return Likelihood.UNLIKELY
    return Likelihood.LIKELY if words & _CLIP_NAMES or _is_video(address) else Likelihood.POSSIBLE


def _is_video(address: str) -> bool:
    return address[:11].lower() == "data:video/" or _suffix(address) in VIDEO_SUFFIXES


def _is_other(address: str) -> bool:
    if address[:5].lower() == "data:":
        return address[5:11].lower() in ("image/", "audio/") or address[5:10].lower() == "text/"
    return _OTHER_SUFFIX.fullmatch(_suffix(address)) is not None


def _suffix(address: str) -> str:
    if address[:5].lower() == "data:":
        return ""
    try:
        path = urlsplit(address).path
    except ValueError:
        return ""
    return path.rpartition("/")[2].rpartition(".")[2].lower()
