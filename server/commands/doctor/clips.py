"""What clips are drawn and read with on this machine: fonts, shaping, and the encoders and decoders of FFmpeg."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError

from providers.clips.encoding import ENCODERS
from providers.render.lettering import bidi, fonts
from providers.render.lettering.fonts import Fonts
from providers.render.lettering.shaping import Font
from server.commands.doctor.findings import Check, Finding, Findings, State, apart
from server.settings import Settings

Mode = Literal["r", "w"]

ARABIC = "سلام"
SIZE = 32
SOUND_ENCODER = "aac"
DECODERS = ("h264", "hevc", "vp9", "av1", "aac", "opus", "mp3")


class Script(NamedTuple):
    """A script, some of its characters, and the Debian package with a font for it."""

    name: str
    sample: str
    package: str


SCRIPTS = (
    Script("Greek and Cyrillic", "ΩЖ", "fonts-dejavu-core"),
    Script("Arabic", ARABIC, "fonts-noto-core"),
    Script("Hebrew", "שלום", "fonts-noto-core"),
    Script("Devanagari", "नमत", "fonts-noto-core"),
    Script("Thai", "สวด", "fonts-noto-core"),
    Script("Chinese, Japanese and Korean", "漢字かな한글", "fonts-noto-cjk"),
    Script("emoji", "🙂", "fonts-noto-color-emoji"),
)


async def _fonts(_settings: Settings) -> Findings:
    installed = await apart(fonts.installed)
    missing = await apart(lambda: _missing(installed))
    there = ", ".join(script.name for script in SCRIPTS if script not in missing)
    yield Finding("fonts", State.OK, f"captions can be drawn in Latin{', ' + there if there else ''}")
    if missing:
        packages = " ".join(dict.fromkeys(script.package for script in missing))
        names = ", ".join(script.name for script in missing)
        found = f"no font for {names}: the provider local writes it in Latin letters, or leaves it out"
        yield Finding("fonts", State.WARN, found, f"install for example: apt-get install {packages}")
    yield await apart(lambda: _shaping(installed))


def _missing(installed: Fonts) -> Sequence[Script]:
    return [script for script in SCRIPTS if not all(installed.find(character) for character in script.sample)]


def _shaping(installed: Fonts) -> Finding:
    """Return whether Arabic letters are joined, and read from right to left."""
    base, levels = bidi.levels(list(ARABIC))
    if base != 1 or bidi.visual(levels) != list(reversed(range(len(ARABIC)))):
        return Finding(
            "shaping", State.FAIL, "Arabic is not read from right to left", "install requirements.lock again"
        )
    face = installed.find(ARABIC)
    if face is None or face.path is None:
        found = "text is read from right to left; whether letters are joined cannot be seen without an Arabic font"
        return Finding("shaping", State.WARN, found, "apt-get install fonts-noto-core")
    font = Font(face.path.read_bytes(), SIZE)
    joined = {glyph.id for glyph in font.shape(ARABIC, rtl=True).glyphs}
    alone = {glyph.id for letter in ARABIC for glyph in font.shape(letter, rtl=True).glyphs}
    if joined <= alone:
        return Finding("shaping", State.FAIL, f"Arabic letters are not joined by {face.path}", "install another font")
    return Finding("shaping", State.OK, f"Arabic letters are joined, and read from right to left ({face.path.name})")


async def _ffmpeg(settings: Settings) -> Findings:
    encoders = (ENCODERS[settings.video_codec].name, SOUND_ENCODER)
    lacking = [*_unknown(encoders, "w"), *_unknown(DECODERS, "r")]
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    found = f"PyAV {av.__version__} with libavcodec {version}"
    if lacking:
        todo = "install the wheel of requirements.lock, which brings FFmpeg along"
        yield Finding("ffmpeg", State.FAIL, f"{found} lacks {', '.join(lacking)}", todo)
    else:
        yield Finding("ffmpeg", State.OK, f"{found} has {', '.join(dict.fromkeys((*encoders, *DECODERS)))}")


def _unknown(names: Sequence[str], mode: Mode) -> list[str]:
    return [name for name in names if not _knows(name, mode)]


def _knows(name: str, mode: Mode) -> bool:
    try:
        Codec(name, mode)
    except UnknownCodecError:
        return False
    return True


CHECKS = (Check("fonts", _fonts), Check("ffmpeg", _ffmpeg))
