"""Re-encodes the sound of clips whose audio differs, or is missing in some."""

from collections.abc import Iterable
from fractions import Fraction
from typing import cast

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from providers.joining.media import Output, Packet, Sound, decoded
from providers.joining.sources import Source

RATE = 48_000
BITS_A_SECOND = "128000"
FORMAT, LAYOUT = "fltp", "stereo"
SAMPLES_A_PACKET = 1024


# Sound that is late by less is placed right behind the last: times are rounded, to milliseconds in WebM.
LATE_SECONDS = Fraction(1, 20)


class EncodedSound:
    """Encodes as many samples for each clip as it is shown; what is missing, also in the middle, is silence."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stream = output.add_stream("aac", rate=RATE, options={"b": BITS_A_SECOND})
        self._stream.codec_context.layout = LAYOUT
        self._stream.codec_context.format = FORMAT
        self._ready = AudioFifo()
        # In samples: queued so far, encoded so far, and the end of the current clip.
        self._filled = self._encoded = self._until = 0
        # What is added to the clip's clock to give the joined video's.
        self._shift = Fraction(0)
        self._resampler: AudioResampler | None = None
        self._resampled: tuple[int, str, str] | None = None

    def begin(self, source: Source, at: Fraction) -> None:
        """See Track."""
        self._shift = at - source.start
        self._until = round((at + source.seconds) * RATE)
        self._resampler = None

    def add(self, packet: Packet) -> None:
        """See Track."""
        for sound in decoded(packet):
            self._add(sound)

    def end(self, at: Fraction) -> None:
        """See Track."""
        self._flush()
        self._silence(self._until - self._filled)

    def finish(self) -> None:
        """See Track."""
        self._encode(last=True)
        self._output.mux(self._stream.encode(None))

    def _add(self, sound: Sound) -> None:
        kind = sound.sample_rate, sound.format.name, sound.layout.name
        late = self._late(sound)
        if self._resampler is None or kind != self._resampled or late > LATE_SECONDS:
            # A new resampler also where the sound changes its format in the middle, or has a gap.
            self._flush()
            self._resampler, self._resampled = AudioResampler(format=FORMAT, layout=LAYOUT, rate=RATE), kind
            self._silence(min(round(self._late(sound) * RATE), self._until - self._filled))
        self._fill(cast("Iterable[Sound]", self._resampler.resample(cast("AudioFrame", sound))))

    def _late(self, sound: Sound) -> Fraction:
        """Return how many seconds of silence there are before this sound."""
        if sound.pts is None or sound.time_base is None:
            return Fraction(0)
        return sound.pts * sound.time_base + self._shift - Fraction(self._filled, RATE)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._fill(cast("Iterable[Sound]", self._resampler.resample(None)))
            self._resampler = None

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
