"""The tracks of the video that is being made. Each takes the packets of clip after clip, copied or encoded anew."""

from fractions import Fraction
from typing import Protocol

from providers.joining.media import Output, OutputStream, Packet
from providers.joining.sources import Source


class Track(Protocol):
    """Pictures or sound."""

    def begin(self, source: Source, at: Fraction) -> None:
        """The packets of this clip follow; it begins `at` so many seconds."""
        ...

    def take(self, packet: Packet) -> None:
        """The next packet, or an empty one at the end of a clip."""
        ...

    def end(self, at: Fraction) -> None:
        """The clip is over, and its place in the video ends `at` so many seconds."""
        ...

    def finish(self) -> None:
        """There are no more clips."""
        ...


class CopiedTrack:
    """Packets as they are, with the clock of the whole."""

    def __init__(self, output: Output, stream: OutputStream) -> None:
        self._output = output
        self._stream = stream
        self._shift = Fraction(0)
        # The end of what was written, in seconds; None before the first packet, whose time may be negative.
        self._written: Fraction | None = None

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        self._shift = at - source.start

    def take(self, packet: Packet) -> None:
        """See Track."""
        if packet.size:
            self._write(packet, round(self._shift / packet.time_base))

    def _write(self, packet: Packet, shift: int) -> None:
        assert packet.pts is not None  # noqa: S101 # of plain clips alone
        assert packet.dts is not None  # noqa: S101 # of plain clips alone
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        self._written = packet.dts * packet.time_base
        packet.stream = self._stream
        self._output.mux(packet)

    def end(self, at: Fraction) -> None:
        """See Track."""

    def finish(self) -> None:
        """See Track."""


class CopiedPictures(CopiedTrack):
    """Pictures as they are: times only grow, also where those of two clips are rounded to each other."""

    def _write(self, packet: Packet, shift: int) -> None:
        assert packet.dts is not None  # noqa: S101 # of plain clips alone
        if self._written is not None and (packet.dts + shift) * packet.time_base <= self._written:
            late = self._written / packet.time_base - (packet.dts + shift)
            shift += int(late) + 1
        super()._write(packet, shift)


class CopiedSound(CopiedTrack):
    """Sound as it is. Packets last longer than pictures: what would overlap the clip before is left out, or waits."""

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        super().begin(source, at)
        self._until = at + source.seconds

    def _write(self, packet: Packet, shift: int) -> None:
        assert packet.pts is not None  # noqa: S101 # of plain clips alone
        lasts = (packet.duration or 0) * packet.time_base
        at = (packet.pts + shift) * packet.time_base
        overlap = Fraction(0) if self._written is None else self._written - at
        if at >= self._until or overlap > lasts / 2:
            return
        if overlap > 0:
            shift += round(overlap / packet.time_base)
        super()._write(packet, shift)
        self._written = (packet.dts or 0) * packet.time_base + lasts
