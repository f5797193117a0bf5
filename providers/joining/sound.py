"""Re-encodes the sound of clips whose audio differs, or is missing in some."""

from collections.abc import Iterable
from fractions import Fraction
from typing import cast

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from providers.joining.media import Output, Packet, Sound
from providers.joining.sources import Source

RATE = 48_000
BITS_A_SECOND = "128000"
FORMAT, LAYOUT = "fltp", "stereo"
SAMPLES_A_PACKET = 1024


class EncodedSound:
    """Encodes as many samples for each clip as its pictures last; what is missing is silence."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stream = output.add_stream("aac", rate=RATE, options={"b": BITS_A_SECOND})
        self._stream.codec_context.layout = LAYOUT
        self._stream.codec_context.format = FORMAT
        self._ready = AudioFifo()
        # In samples: queued so far, encoded so far, and the end of the current clip.
        self._filled = self._encoded = self._until = 0
        self._start = Fraction(0)
        self._resampler: AudioResampler | None = None

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        self._start = source.start
        self._until = round((at + source.seconds) * RATE)
        self._resampler = None

    def add(self, packet: Packet) -> None:
        """See Track."""
        for sound in packet.decode():
            self._add(sound)

    def end(self, at: Fraction) -> None:
        """See Track."""
        if self._resampler is not None:
            self._fill(cast("Iterable[Sound]", self._resampler.resample(None)))
        self._silence(self._until - self._filled)

    def finish(self) -> None:
        """See Track."""
        self._encode(last=True)
        self._output.mux(self._stream.encode(None))

    def _add(self, sound: Sound) -> None:
        if self._resampler is None:
            self._resampler = AudioResampler(format=FORMAT, layout=LAYOUT, rate=RATE)
            late = Fraction(sound.pts or 0) * (sound.time_base or Fraction(1, RATE)) - self._start
            self._silence(min(round(late * RATE), self._until - self._filled))
        self._fill(cast("Iterable[Sound]", self._resampler.resample(cast("AudioFrame", sound))))

    def _silence(self, samples: int) -> None:
        while samples > 0:
            piece = cast("Sound", AudioFrame(format=FORMAT, layout=LAYOUT, samples=min(samples, SAMPLES_A_PACKET)))
            piece.sample_rate = RATE
            for plane in piece.planes:
                plane.update(bytes(plane.buffer_size))
            samples -= piece.samples
            self._fill([piece])

    def _fill(self, sounds: Iterable[Sound]) -> None:
        for sound in sounds:
            samples = min(sound.samples, self._until - self._filled)
            if samples > 0:
                self._write(sound, samples)
                self._filled += samples
                self._encode()

    def _write(self, sound: Sound, samples: int) -> None:
        # The queue counts samples only: each clip has its own clock.
        sound.pts, sound.time_base = None, Fraction(1, RATE)
        if samples < sound.samples:
            cut = AudioFifo()
            cut.write(cast("AudioFrame", sound))
            sound = cast("Sound", cut.read(samples))
            sound.pts = None
        self._ready.write(cast("AudioFrame", sound))

    def _encode(self, *, last: bool = False) -> None:
        while self._filled - self._encoded >= SAMPLES_A_PACKET or (last and self._filled > self._encoded):
            sound = cast("Sound", self._ready.read(SAMPLES_A_PACKET, partial=last))
            sound.pts, sound.time_base = self._encoded, Fraction(1, RATE)
            self._encoded += sound.samples
            self._output.mux(self._stream.encode(sound))
