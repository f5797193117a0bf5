"""What joining clips will cost, before it is begun, and what will be done to them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from providers.clips.description import Pictures
from providers.clips.encoding import ENCODERS, VideoCodec
from providers.joining import tone
from providers.joining.fit import fitted_size
from providers.joining.sources import Source, pictures_copyable, sound_copyable
from providers.joining.target import Target, target_of
from providers.joining.wire import Adjustment

# Measured on one core of a server of 2024, rounded up: pixels decoded, and mapped to other colours, in a CPU second;
# bytes copied; seconds of sound encoded.
DECODED_PIXELS, MAPPED_PIXELS = 100e6, 20e6
COPIED_BYTES = 100e6
SOUND_SECONDS = 100.0


class Plan(NamedTuple):
    """`target` is None when the pictures are copied, and `codec` that of encoded ones.

    The sound is copied, encoded, or missing in all clips.
    """

    sources: Sequence[Source]
    target: Target | None
    codec: VideoCodec
    copies_sound: bool
    cpu_seconds: float


def plan_of(sources: Sequence[Source], codec: VideoCodec) -> Plan:
    """Decide what is copied, and estimate the CPU time."""
    target = None if pictures_copyable(sources) else target_of(sources)
    copies_sound = sound_copyable(sources)
    cost = sum(source.path.stat().st_size / COPIED_BYTES for source in sources)
    if target is not None:
        cost += sum(_cost_of_pictures(source, target, codec) for source in sources)
    if not copies_sound:
        cost += sum(float(source.seconds) / SOUND_SECONDS for source in sources)
    return Plan(sources, target, codec, copies_sound, cost)


def _cost_of_pictures(source: Source, target: Target, codec: VideoCodec) -> float:
    it = source.clip.pictures
    pixels = target.width * target.height
    # Also where the clip stands still, every tick of the rate is encoded.
    mapped = pixels * it.number / MAPPED_PIXELS if tone.needs_mapping(it.colour) else 0.0
    decoded = it.width * it.height * it.number / DECODED_PIXELS
    encoded = float(source.seconds * target.rate) * pixels / ENCODERS[codec].pixels_a_second
    return decoded + mapped + encoded


def adjustments(plan: Plan) -> list[Adjustment]:
    """Return what is done to the clips, in plain words."""
    done = [_held(plan)]
    if plan.target is not None:
        target = plan.target
        done += [
            Adjustment("ENCODED", [], "The pictures were re-encoded, because the clips differ or browsers lack them."),
            _where(plan, "TURNED", "The clip was turned upright.", lambda it: it.turn != it.turn.__class__()),
            _where(
                plan, "PIXELS_SQUARED", "Pixels that are not square were made square.", lambda it: it.pixel_aspect != 1
            ),
            _where(plan, "TONE_MAPPED", TONE_MAPPED, lambda it: tone.needs_mapping(it.colour)),
            _where(
                plan, "RESIZED", f"The clip was fitted into {target.width}x{target.height} pixels.", _resizes(target)
            ),
            _where(
                plan,
                "RATE_LOWERED",
                f"The clip has more than {float(target.rate):g} pictures a second; some were left out.",
                lambda it: it.pace.rate > target.rate * Fraction(101, 100),
            ),
        ]
    return [each for each in done if each is not None]


TONE_MAPPED = "High dynamic range or wide gamut was mapped to standard range (BT.709)."


def _held(plan: Plan) -> Adjustment | None:
    held = [source.number for source in plan.sources if source.held]
    return Adjustment("PICTURE_HELD", held, "The last picture is held until the sound ends.") if held else None


def _where(plan: Plan, code: str, message: str, applies: Callable[[Pictures], bool]) -> Adjustment | None:
    clips = [source.number for source in plan.sources if applies(source.clip.pictures)]
    return Adjustment(code, clips, message) if clips else None


def _resizes(target: Target) -> Callable[[Pictures], bool]:
    def resizes(it: Pictures) -> bool:
        return fitted_size(it.displayed, target) != it.displayed or it.displayed != (target.width, target.height)

    return resizes
