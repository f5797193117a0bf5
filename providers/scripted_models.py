"""The models of the provider `scripted`: one that takes anything, one with narrow limits, one that is not available."""

from providers.catalogue import AudioSupport, InputRole, Model, Resolution, Settings

SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 60.0

PLAIN = Model(
    "plain",
    SHORTEST_SECONDS,
    LONGEST_SECONDS,
    roles=tuple(InputRole),
    max_references=9,
    seed=True,
    negative_prompt=True,
    audio=AudioSupport.OPTIONAL,
    options_schema={"type": "object"},
    defaults=Settings("plain"),
)
PICKY = Model(
    "picky",
    4.0,
    8.0,
    durations_seconds=(4.0, 8.0),
    aspect_ratios=("16:9", "9:16"),
    resolutions=(Resolution.P720, Resolution.P1080),
    roles=(InputRole.FIRST_FRAME, InputRole.LAST_FRAME, InputRole.REFERENCE),
    max_references=2,
    exclusive=(
        frozenset({InputRole.FIRST_FRAME, InputRole.REFERENCE}),
        frozenset({InputRole.LAST_FRAME, InputRole.REFERENCE}),
    ),
    max_prompt_length=100,
    options_schema={
        "type": "object",
        "properties": {
            "style": {"enum": ["natural", "vivid"]},
            "strength": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "additionalProperties": False,
    },
    defaults=Settings("picky", "16:9", Resolution.P720, options={"style": "natural"}),
)
GONE = Model(
    "gone",
    SHORTEST_SECONDS,
    LONGEST_SECONDS,
    available=False,
    unavailable_reason="This model is never available: it shows what a model without credentials looks like.",
)
MODELS = (PLAIN, PICKY, GONE)
