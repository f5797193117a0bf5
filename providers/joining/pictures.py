"""Encodes the pictures of clips that differ: one size, one pace, one set of colours."""

from fractions import Fraction
from math import floor
from pathlib import Path

from providers.clips.encoding import VideoCodec, add_pictures
from providers.clips.problems import WITHOUT_PICTURE, BadClip
from providers.joining.fit import Fit
from providers.joining.media import Output, Packet, Picture, decoded
from providers.joining.sources import Source, UnusableClip
from providers.joining.target import Target


class EncodedPictures:
    """Encodes one picture for each tick of the frame rate: the last one that was due by then."""

    def __init__(self, output: Output, first: Source, target: Target, codec: VideoCodec, folder: Path) -> None:
        self._output = output
        self._target = target
        self._folder = folder
        self._stream = add_pictures(output, codec, (target.width, target.height), target.rate)
        self._ticks = 0
        self._source = first
        self._shift = Fraction(0)
        self._until = 0
        self._shown: Picture | None = None
        self._fit: Fit | None = None

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        self._source, self._shift, self._shown = source, at - source.start, None
        self._until = self._tick(at + source.seconds)
        self._fit = None

    def add(self, packet: Packet) -> None:
        """See Track."""
        for picture in decoded(packet):
            self._show(picture)

    def end(self, at: Fraction) -> None:
        """See Track."""
        if self._shown is None:
            raise UnusableClip(self._source.number, BadClip(WITHOUT_PICTURE, "has no picture that can be decoded"))
        self._fill(self._until)

    def finish(self) -> None:
        """See Track."""
        self._output.mux(self._stream.encode(None))

    def _show(self, picture: Picture) -> None:
        first = self._shown is None
        if first:
            self._shown = picture
        if picture.pts is not None and picture.time_base is not None:
            # No picture of a damaged clip is shown longer than the clip.
            self._fill(min(self._tick(picture.pts * picture.time_base + self._shift), self._until))
        self._shown = picture

    def _tick(self, seconds: Fraction) -> int:
        """Return the nearest tick, the later of two: rounding halves to even would show every other picture twice."""
        return floor(seconds * self._target.rate + Fraction(1, 2))

    def _fill(self, until: int) -> None:
        if self._shown is None or self._ticks >= until:
            return
        fitted = self._fitted(self._shown)
        while self._ticks < until:
            fitted.pts, fitted.time_base = self._ticks, 1 / self._target.rate
            self._output.mux(self._stream.encode(fitted))
            self._ticks += 1

    def _fitted(self, picture: Picture) -> Picture:
        if self._fit is None or not self._fit.accepts(picture):
            self._fit = Fit(picture, self._source.clip.pictures, self._target, self._folder)
        return self._fit.apply(picture)
