"""The files that fakes of Replicate deliver, and outputs that name them in the shape that a test wants."""

import base64
import io
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, cast

import av
from PIL import Image

from providers.render.clip import Clip

Json = dict[str, Any]

FRAMES_PER_SECOND = 24
SIZE = (64, 36)
HTML = b"<!doctype html><title>Just a moment...</title><p>Checking your browser</p>"

# How a test names a file in an output: by its address, or inline.
FILE, INLINE, ELSEWHERE = "file:", "inline:", "elsewhere:"


def resolved(output: Any, address: str, seconds: float) -> Any:
    """Replace `file:NAME` in an output by its address, `inline:KIND;TYPE` by a data URI of that content.

    `elsewhere:NAME` becomes an address that no client may request.
    """
    match output:
        case str() if output.startswith(FILE):
            return f"{address}/{output.removeprefix(FILE)}"
        case str() if output.startswith(ELSEWHERE):
            return f"https://169.254.169.254/{output.removeprefix(ELSEWHERE)}"
        case str() if output.startswith(INLINE):
            kind, _, content_type = output.removeprefix(INLINE).partition(";")
            return f"data:{content_type};base64,{base64.b64encode(content(kind, seconds)).decode()}"
        case list():
            return [resolved(each, address, seconds) for each in cast("list[Any]", output)]
        case dict():
            return {name: resolved(each, address, seconds) for name, each in cast("Json", output).items()}
        case _:
            return output


def content(kind: str, seconds: float) -> bytes:
    """Return a file of a kind: a clip (mp4, mov, webm, mkv, other), a picture, a page, or nothing."""
    match kind:
        case "mp4":
            return clip(seconds)
        case "other":
            # Longer than the clip, so that a test can distinguish them.
            return clip(seconds + 0.5)
        case "png":
            picture = io.BytesIO()
            Image.new("RGB", SIZE, "red").save(picture, "PNG")
            return picture.getvalue()
        case "html":
            return HTML
        case "empty":
            return b""
        case _:
            return repackaged(kind, seconds)


@cache
def clip(seconds: float) -> bytes:
    """Return a small MP4 file of so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        with Clip(path, *SIZE, FRAMES_PER_SECOND) as made:
            for number in range(round(seconds * FRAMES_PER_SECOND)):
                made.write(Image.new("RGB", SIZE, (5 * number % 256, 90, 160)))
        return path.read_bytes()


@cache
def repackaged(kind: str, seconds: float) -> bytes:
    """Return the pictures of the clip in another container: mov, mkv or webm, whose codec is VP9."""
    target = io.BytesIO()
    with av.open(io.BytesIO(clip(seconds))) as source:
        # PyAV's published types leave the types of frames and packets open.
        file: Any = av.open(target, "w", format="matroska" if kind == "mkv" else kind)
        with file:
            (_encode if kind == "webm" else _copy)(source, file)
    return target.getvalue()


def _copy(source: Any, file: Any) -> None:
    pictures = source.streams.video[0]
    copied = file.add_stream_from_template(pictures)
    for packet in source.demux(pictures):
        if packet.dts is not None:
            packet.stream = copied
            file.mux(packet)


def _encode(source: Any, file: Any) -> None:
    fast = {"deadline": "realtime", "cpu-used": "8"}
    encoded = file.add_stream("libvpx-vp9", rate=FRAMES_PER_SECOND, options=fast)
    encoded.width, encoded.height, encoded.pix_fmt = *SIZE, "yuv420p"
    for frame in source.decode(source.streams.video[0]):
        file.mux(encoded.encode(frame))
    file.mux(encoded.encode(None))
