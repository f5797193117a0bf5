"""Files as providers deliver them in place of a good clip, and a provider that delivers the file that a test names."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
from PIL import Image

from providers.catalogue import Model
from providers.port import Asset, Order, Progress, Rendered
from tests.support.client import Json
from tests.support.fake_providers import ANY_MODEL
from tests.support.odd_clips import KINDS, Odd, Tone, make, sounds

SECOND = tuple(Fraction(number, 24) for number in range(24))
PLAIN = Odd(times=SECOND, options=(("g", "12"), ("bf", "0")))
WEBM = PLAIN._replace(codec="libvpx-vp9", container="webm", options=(("g", "12"),))
HOURS = 10
LARGER_THAN_8K = (8448, 4352)


class Bad(NamedTuple):
    """A file that cannot be shown: how it is made, the code of the failure, and the type under which it is kept."""

    make: Callable[[Path], object]
    code: str
    content_type: str = "application/octet-stream"


def text(content: bytes) -> Callable[[Path], object]:
    """Return the maker of a file with this content."""
    return lambda path: path.write_bytes(content)


def clip(kind: Odd) -> Callable[[Path], object]:
    """Return the maker of a clip."""
    return lambda path: make(path, kind)


def cut(kind: Odd, share: float) -> Callable[[Path], object]:
    """Return the maker of a clip of which only the first part was delivered."""
    return lambda path: path.write_bytes(_made(path, kind)[: int(path.stat().st_size * share)])


def zeros_at_the_end(path: Path) -> None:
    """Write a clip whose second half is zeros, as of a download into a file of full length."""
    content = _index_first(path)
    middle = (content.index(b"mdat") + len(content)) // 2
    path.write_bytes(content[:middle] + bytes(len(content) - middle))


def index_first_and_cut(path: Path) -> None:
    """Write a clip with its index at the front, of which only the first part was delivered."""
    content = _index_first(path)
    path.write_bytes(content[: len(content) * 7 // 10])


def sound_alone(path: Path) -> None:
    """Write an MP4 file without pictures."""
    tone = Tone()
    with cast("Any", av.open(str(path), "w", format="mp4")) as output:
        stream = output.add_stream("aac", rate=tone.rate)
        stream.codec_context.layout = tone.layout
        for sound in sounds(tone, stream.codec_context):
            output.mux(stream.encode(sound))
        output.mux(stream.encode(None))


def huge(path: Path) -> None:
    """Write a clip of one grey picture that is larger than 8K."""
    with cast("Any", av.open(str(path), "w", format="mp4")) as output:
        stream = output.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *LARGER_THAN_8K, "yuv420p"
        frame = cast("Any", av.VideoFrame)(*LARGER_THAN_8K, "yuv420p")
        for plane in frame.planes:
            plane.update(b"\x80" * plane.buffer_size)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def noise(path: Path) -> None:
    """Write a clip whose pictures are noise."""
    content = bytearray(_index_first(path))
    for place in range(content.index(b"mdat") + 4, len(content)):
        content[place] = place * 7919 % 251
    path.write_bytes(content)


def damaged(path: Path) -> None:
    """Write a clip of which only the first picture and the last three are whole."""
    content = bytearray(_made(path, PLAIN._replace(options=(("g", "24"), ("bf", "0")))))
    with cast("Any", av.open(str(path))) as source:
        spans = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    for at, size in spans[1:-3]:
        content[at + 4 : at + size] = bytes(number * 7919 % 251 for number in range(size - 4))
    path.write_bytes(content)


HOUR_APART = PLAIN._replace(times=(Fraction(0), Fraction(HOURS * 3600)), rate=Fraction(25))
BAD: dict[str, Bad] = {
    "empty": Bad(text(b""), "CLIP_UNREADABLE"),
    "json": Bad(text(b'{"error": "quota exceeded"}'), "CLIP_UNREADABLE"),
    "page": Bad(text(b"<!doctype html><script>alert(1)</script>"), "CLIP_UNREADABLE"),
    "playlist": Bad(text(b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/\n"), "CLIP_UNREADABLE"),
    "sound alone": Bad(sound_alone, "CLIP_WITHOUT_PICTURE", "video/mp4"),
    "sound file": Bad(text(b"ID3\x04" + bytes(100)), "CLIP_WITHOUT_PICTURE"),
    "cut in half": Bad(cut(PLAIN, 0.5), "CLIP_TRUNCATED", "video/mp4"),
    "cut near its end": Bad(cut(PLAIN, 0.97), "CLIP_TRUNCATED", "video/mp4"),
    "index first, cut": Bad(index_first_and_cut, "CLIP_TRUNCATED", "video/mp4"),
    "webm cut": Bad(cut(WEBM, 0.6), "CLIP_TRUNCATED", "video/webm"),
    "matroska cut": Bad(cut(PLAIN._replace(container="matroska"), 0.6), "CLIP_TRUNCATED", "video/x-matroska"),
    "zeros at the end": Bad(zeros_at_the_end, "CLIP_TRUNCATED", "video/mp4"),
    "damaged": Bad(damaged, "CLIP_UNREADABLE", "video/mp4"),
    "noise": Bad(noise, "CLIP_UNREADABLE", "video/mp4"),
    "hours apart": Bad(clip(HOUR_APART), "CLIP_TOO_LONG", "video/mp4"),
    "huge": Bad(huge, "CLIP_TOO_LARGE", "video/mp4"),
}


def _picture(path: Path, kind: str, size: int = 16) -> Asset:
    Image.effect_noise((size, size), 100).convert("RGB").save(path, kind, quality=90)
    return Asset(path, "Image/X-Unknown; q=1", size, size)


def _no_picture(path: Path) -> Asset:
    path.write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    return Asset(path, "image/png")


PICTURES: dict[str, Callable[[Path], Asset]] = {
    "png": lambda path: _picture(path, "PNG"),
    "jpeg": lambda path: _picture(path, "JPEG"),
    "webp": lambda path: _picture(path, "WEBP"),
    "large": lambda path: _picture(path, "PNG", 200),
    "no picture": _no_picture,
    "missing": lambda path: Asset(path, "image/png"),
}


class DeliveryProvider:
    """Delivers the file that an order's metadata names: a bad one, or a clip of `odd_clips`.

    The metadata may give the content type that is `reported`, and a poster by its name in PICTURES. `repeatable` says
    that another attempt costs nothing. `delivered` has the bytes by take.
    """

    name = "scripted"

    def __init__(self, *, repeatable: bool = False) -> None:
        self._repeatable = repeatable
        self.delivered: dict[str, bytes] = {}

    async def models(self) -> Sequence[Model]:
        """Return the only model."""
        return (ANY_MODEL,)

    async def submit(self, order: Order) -> str:
        """Accept any order."""
        return f"delivery-{order.key}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Write the file; nothing is said about its size and duration."""
        path = order.workdir / "delivered"
        name, metadata = str(order.metadata["file"]), order.metadata
        await asyncio.to_thread(BAD[name].make if name in BAD else clip(KINDS[name]), path)
        self.delivered[order.key] = path.read_bytes()
        clip_file = Asset(path, str(metadata.get("reported", "video/mp4")))
        poster = PICTURES[str(metadata["poster"])](order.workdir / "own") if "poster" in metadata else None
        yield Rendered(clip_file, poster, repeatable=self._repeatable)

    async def cancel(self, provider_id: str) -> None:
        """Do nothing: no delivery takes long."""

    async def close(self) -> None:
        """Do nothing: no resources are held."""


def delivery(file: str, **metadata: object) -> Json:
    """Return the input of a scene of one second for which this file is delivered."""
    return {"prompt": file, "durationSeconds": 1.0, "metadata": {"file": file, **metadata}}


def _made(path: Path, kind: Odd) -> bytes:
    make(path, kind)
    return path.read_bytes()


def _index_first(path: Path) -> bytes:
    """Return an MP4 file whose index precedes its pictures."""
    make(path, PLAIN)
    moved = path.with_suffix(".moved")
    faststart = {"movflags": "+faststart"}
    with (
        cast("Any", av.open(str(path))) as source,
        cast("Any", av.open(str(moved), "w", format="mp4", container_options=faststart)) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return moved.read_bytes()
