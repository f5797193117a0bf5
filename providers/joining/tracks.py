"""The tracks of the joined video, to which the packets of clip after clip are copied or re-encoded."""

from fractions import Fraction
from typing import Protocol

from providers.joining.media import Output, OutputStream, Packet
from providers.joining.sources import Source


class Track(Protocol):
    """The pictures or the sound of the joined video."""

    def begin(self, source: Source, at: Fraction) -> None:
        """Begin a clip, `at` this many seconds."""
        ...

    def add(self, packet: Packet) -> None:
        """Add the next packet, which is empty at the end of a clip."""
        ...

    def end(self, at: Fraction) -> None:
        """End the clip, `at` this many seconds."""
        ...

    def finish(self) -> None:
        """End the track."""
        ...


class CopiedTrack:
    """Copies packets, with times of the joined video."""

    def __init__(self, output: Output, stream: OutputStream) -> None:
        self._output = output
        self._stream = stream
        self._shift = Fraction(0)
        # The end of the last packet in seconds; None before the first packet, whose time may be negative.
        self._written: Fraction | None = None

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        self._shift = at - source.start

    def add(self, packet: Packet) -> None:
        """See Track."""
        if packet.size:
            self._write(packet, round(self._shift / packet.time_base))

    def _write(self, packet: Packet, shift: int) -> None:
        assert packet.pts is not None  # noqa: S101 # only packets of copyable clips
        assert packet.dts is not None  # noqa: S101 # only packets of copyable clips
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        self._written = packet.dts * packet.time_base
        packet.stream = self._stream
        self._output.mux(packet)

    def end(self, at: Fraction) -> None:
        """See Track."""

    def finish(self) -> None:
        """See Track."""


class CopiedPictures(CopiedTrack):
    """Copies pictures. Times increase strictly, also where those of two clips are rounded to the same value.

    The last picture of a clip lasts until its end: it may be held while the sound goes on.
    """

    def __init__(self, output: Output, stream: OutputStream) -> None:
        super().__init__(output, stream)
        self._waiting: tuple[Packet, int] | None = None

    def _write(self, packet: Packet, shift: int) -> None:
        self._write_waiting()
        self._waiting = packet, shift

    def end(self, at: Fraction) -> None:
        """See Track."""
        if self._waiting is None:
            return
        packet, shift = self._waiting
        seconds = at - ((packet.pts or 0) + shift) * packet.time_base
        packet.duration = max(packet.duration or 0, round(seconds / packet.time_base))
        self._write_waiting()

    def _write_waiting(self) -> None:
        if self._waiting is None:
            return
        packet, shift = self._waiting
        self._waiting = None
        assert packet.pts is not None  # noqa: S101 # only packets of copyable clips
        assert packet.dts is not None  # noqa: S101 # only packets of copyable clips
        dts = packet.dts + shift
        if self._written is not None and dts * packet.time_base <= self._written:
            # A clip with B-frames begins to decode before it is shown. Only the decoding is delayed, if possible.
            dts = int(self._written / packet.time_base) + 1
        packet.pts, packet.dts = max(packet.pts + shift, dts), dts
        super()._write(packet, 0)


class CopiedSound(CopiedTrack):
    """Copies sound. Packets last longer than pictures: one that overlaps the previous clip is dropped or delayed."""

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        super().begin(source, at)
        self._until = at + source.seconds

    def _write(self, packet: Packet, shift: int) -> None:
        assert packet.pts is not None  # noqa: S101 # only packets of copyable clips
        seconds = (packet.duration or 0) * packet.time_base
        at = (packet.pts + shift) * packet.time_base
        overlap = Fraction(0) if self._written is None else self._written - at
        if at >= self._until or overlap > seconds / 2:
            return
        if overlap > 0:
            shift += round(overlap / packet.time_base)
        super()._write(packet, shift)
        self._written = (packet.dts or 0) * packet.time_base + seconds
