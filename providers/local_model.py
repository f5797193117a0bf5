"""The model of the provider `local`: what can be asked for, and what an order comes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from providers.catalogue import AudioSupport, InputRole, Model, Resolution, Settings
from providers.port import Failure
from providers.render.landscape.skyline import OUTLINES

NAME = "placeholder"
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 60.0
ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "2:1", "1:2", "21:9", "9:21")
ROLES = (InputRole.FIRST_FRAME, InputRole.LAST_FRAME, InputRole.REFERENCE)
# More small pictures would cover the clip.
MOST_REFERENCES = 4
LANDS = tuple(OUTLINES)
MOST_DEGREES = 360
OPTIONS: Mapping[str, object] = {
    "caption": {
        "type": "boolean",
        "default": True,
        "description": "Whether title, prompt, take and a progress bar are drawn on the picture.",
    },
    "hue": {
        "type": "number",
        "minimum": 0,
        "maximum": MOST_DEGREES,
        "description": "The hue of the sky, in degrees; without it the seed chooses one.",
    },
    "land": {"enum": list(LANDS), "description": "The land under the sky; without it the seed chooses one."},
}


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the clips of an order that names neither aspect ratio nor resolution, in pixels."""

    width: int
    height: int

    @property
    def ratio(self) -> Fraction:
        """Width to height."""
        return Fraction(self.width, self.height)

    @property
    def aspect_ratio(self) -> str:
        """Width to height, as settings have it."""
        named = (text for text in ASPECT_RATIOS if _fraction(text) == self.ratio)
        return next(named, f"{self.ratio.numerator}:{self.ratio.denominator}")

    @property
    def resolution(self) -> Resolution | None:
        """The resolution with this shorter side, if there is one."""
        shorter = min(self.width, self.height)
        return next((each for each in Resolution if shorter_side(each) == shorter), None)

    def of(self, settings: Settings) -> "Size":
        """Return the size of an order's clip. Raises Failure for an aspect ratio that is none of the model's."""
        text = settings.aspect_ratio or self.aspect_ratio
        if text not in (self.aspect_ratio, *ASPECT_RATIOS):
            raise Failure("INVALID_ASPECT_RATIO", f"There are no clips of {text}.", retryable=False)
        ratio = _fraction(text)
        shorter = shorter_side(settings.resolution) if settings.resolution else min(self.width, self.height)
        longer = _even(shorter * max(ratio, 1 / ratio))
        return Size(longer, shorter) if ratio >= 1 else Size(shorter, longer)


def model(size: Size) -> Model:
    """Describe the model; `size` is that of clips for which none is asked."""
    aspect_ratios = tuple(dict.fromkeys((size.aspect_ratio, *ASPECT_RATIOS)))
    return Model(
        NAME,
        SHORTEST_SECONDS,
        LONGEST_SECONDS,
        aspect_ratios=aspect_ratios,
        resolutions=tuple(Resolution),
        roles=ROLES,
        max_references=MOST_REFERENCES,
        seed=True,
        audio=AudioSupport.OPTIONAL,
        options_schema={"type": "object", "properties": OPTIONS, "additionalProperties": False},
        defaults=Settings(NAME, size.aspect_ratio, size.resolution, audio=False),
    )


def shorter_side(resolution: Resolution) -> int:
    """Return the length of the shorter side, in pixels."""
    return int(resolution.value.removeprefix("P"))


def _fraction(aspect_ratio: str) -> Fraction:
    width, height = aspect_ratio.split(":")
    return Fraction(int(width), int(height))


def _even(length: Fraction) -> int:
    return 2 * round(length / 2)
