"""The length of a clip in the input of a model: in seconds, or as a number of frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from providers.catalogue import ANY_DURATION_SECONDS
from providers.hosted.schema import Field, seconds_of
from providers.port import Failure

SECONDS = ("duration", "duration_seconds", "seconds", "video_length", "length", "num_seconds")
FRAMES = ("num_frames", "frames", "video_length_frames")
RATES = ("frames_per_second", "fps", "frame_rate")
SAME_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Length:
    """The field of the length. `seconds` are the only lengths, `bounds` the shortest and the longest.

    With `rate`, in frames a second, the field is a number of frames; `rate_name` is the option that changes the rate.
    """

    field: Field
    seconds: tuple[float, ...] | None
    bounds: tuple[float, float]
    rate: float | None = None
    rate_name: str | None = None

    @property
    def names(self) -> set[str]:
        """The names of the fields that it sets."""
        return {self.field.name}

    def input(self, seconds: float, options: Mapping[str, object]) -> dict[str, object]:
        """Return the field for a length. Raises Failure (INVALID_INPUT) for one that the model does not make."""
        if self.rate is not None:
            return {self.field.name: self._frames(seconds, options.get(self.rate_name or "", self.rate))}
        for choice in self.field.choices:
            if _same(seconds_of(choice), seconds):
                return {self.field.name: choice}
        least, most = self.bounds
        fits = least - SAME_SECONDS < seconds < most + SAME_SECONDS
        if self.field.choices or not fits or (self.seconds and not any(_same(each, seconds) for each in self.seconds)):
            raise Failure("INVALID_INPUT", f"The model makes no clips of {seconds:g} seconds.", retryable=False)
        number = int(seconds) if seconds.is_integer() else seconds
        return {self.field.name: str(number) if self.field.type == "string" else number}

    def _frames(self, seconds: float, rate: object) -> int:
        # The first frame is at the start, so that there is one more than intervals.
        frames = round(seconds * rate) + 1 if isinstance(rate, int | float) else -1
        least, most = self.field.whole("minimum") or 1, self.field.whole("maximum") or frames
        # What is within the bounds in seconds may be a frame beside those in frames.
        if not least - 1 <= frames <= most + 1:
            message = f"The model makes no clips of {seconds:g} seconds at {rate} frames a second."
            raise Failure("INVALID_INPUT", message, retryable=False)
        return min(max(frames, least), most)


def length_of(fields: Mapping[str, Field]) -> Length | None:
    """Return how the input states the length; None when the model decides it."""
    for name in SECONDS:
        if name in fields and (found := _in_seconds(fields[name])) is not None:
            return found
    for name in FRAMES:
        if name in fields and (found := _in_frames(fields[name], fields)) is not None:
            return found
    return None


def _in_seconds(field: Field) -> Length | None:
    chosen = sorted({seconds for each in field.choices if (seconds := seconds_of(each)) is not None})
    if chosen:
        return Length(field, tuple(chosen), (chosen[0], chosen[-1]))
    if field.choices or field.type not in ("integer", "number"):
        return None
    least, most = field.number("minimum"), field.number("maximum")
    # A maximum may be that of the type, and no scene is longer.
    shortest = max(least or 0.0, ANY_DURATION_SECONDS[0])
    longest = min(most or ANY_DURATION_SECONDS[1], ANY_DURATION_SECONDS[1])
    if field.type == "number":
        return Length(field, None, (shortest, longest)) if shortest <= longest else None
    if shortest > longest:
        return None
    whole = tuple(float(each) for each in range(max(1, ceil(shortest)), int(longest) + 1))
    return Length(field, whole, (whole[0], whole[-1])) if whole else None


def _in_frames(field: Field, fields: Mapping[str, Field]) -> Length | None:
    rate_name = next((name for name in RATES if name in fields), None)
    rate = fields[rate_name].default if rate_name is not None else None
    least, most = field.number("minimum"), field.number("maximum")
    if field.type != "integer" or not isinstance(rate, int | float) or rate <= 0 or most is None or most < 2:
        return None
    shortest = max(((least or 1) - 1) / rate, ANY_DURATION_SECONDS[0])
    longest = (most - 1) / rate
    return Length(field, None, (shortest, longest), float(rate), rate_name) if shortest <= longest else None


def _same(one: float | None, other: float) -> bool:
    return one is not None and abs(one - other) < SAME_SECONDS
