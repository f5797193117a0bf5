"""Re-encodes the pictures of clips that differ: at the size and frame rate of the first, with black bars."""

from fractions import Fraction
from typing import cast

from av.filter import Graph

from providers.joining.media import Output, Packet, Picture
from providers.joining.sources import Source, UnreadableClip
from providers.render.clip import BT709, ENCODING, KEYFRAME_SECONDS

BLACK_BARS = "{w}:{h}:(ow-iw)/2:(oh-ih)/2"
FITTED = "{w}:{h}:force_original_aspect_ratio=decrease:force_divisible_by=2:out_color_matrix=bt709:out_range=tv"


class EncodedPictures:
    """Encodes one picture for each tick of the frame rate: the last one that was due by then."""

    def __init__(self, output: Output, first: Source) -> None:
        self._output = output
        self._rate = first.rate
        self.width, self.height = even(first.video.width), even(first.video.height)
        self._stream = output.add_stream("libx264", rate=first.rate, options=ENCODING)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = self.width, self.height, "yuv420p"
        context.time_base = 1 / first.rate
        context.gop_size = max(1, round(KEYFRAME_SECONDS * first.rate))
        context.thread_count = 1
        context.colorspace = context.color_primaries = context.color_trc = BT709
        self._ticks = 0
        self._source = first
        self._shift = Fraction(0)
        self._shown: Picture | None = None
        self._fit: _Fit | None = None

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        self._source, self._shift, self._shown = source, at - source.start, None

    def add(self, packet: Packet) -> None:
        """See Track."""
        for picture in packet.decode():
            self._show(picture)

    def end(self, at: Fraction) -> None:
        """See Track."""
        if self._shown is None:
            raise UnreadableClip(self._source.number)
        self._fill(round(at * self._rate))

    def finish(self) -> None:
        """See Track."""
        self._output.mux(self._stream.encode(None))

    def _show(self, picture: Picture) -> None:
        if picture.pts is not None and picture.time_base is not None:
            self._fill(round((picture.pts * picture.time_base + self._shift) * self._rate))
        self._shown = picture

    def _fill(self, until: int) -> None:
        if self._shown is None or self._ticks >= until:
            return
        fitted = self._fitted(self._shown)
        while self._ticks < until:
            fitted.pts, fitted.time_base = self._ticks, 1 / self._rate
            self._output.mux(self._stream.encode(fitted))
            self._ticks += 1

    def _fitted(self, picture: Picture) -> Picture:
        if self._fit is None or not self._fit.accepts(picture):
            self._fit = _Fit(picture, self.width, self.height)
        return self._fit.apply(picture)


class _Fit:
    """Scales pictures of one size and format into the frame."""

    def __init__(self, like: Picture, width: int, height: int) -> None:
        self._like = (like.width, like.height, like.format.name)
        self._graph = Graph()
        add = self._graph.add
        self._graph.link_nodes(
            self._graph.add_buffer(
                width=like.width,
                height=like.height,
                format=like.format,  # pyright: ignore[reportArgumentType] # the format that PyAV itself made
                time_base=like.time_base or Fraction(1, 1000),
            ),
            add("scale", FITTED.format(w=width, h=height)),
            add("pad", BLACK_BARS.format(w=width, h=height)),
            add("setsar", "1"),
            add("format", "yuv420p"),
            add("buffersink"),
        ).configure()

    def accepts(self, picture: Picture) -> bool:
        """Return whether the picture has that size and format."""
        return self._like == (picture.width, picture.height, picture.format.name)

    def apply(self, picture: Picture) -> Picture:
        """Return the picture at its new size."""
        self._graph.push(picture)  # pyright: ignore[reportArgumentType] # a frame of PyAV
        return cast("Picture", self._graph.pull())


def even(side: int) -> int:
    """Return the even length below: yuv420p has no odd sides."""
    return max(2, side - side % 2)
