"""OutputAdjustment: what was done to clips so that they form one video."""

from typing import Any, ClassVar

import strawberry

from execution.versions import VersionedColumns


@strawberry.type(
    description=(
        "A change made to clips to join them. ENCODED: the video was re-encoded, because the clips differ or browsers "
        "cannot play them; without this code it was copied. TURNED, PIXELS_SQUARED, RESIZED: the orientation, pixel "
        "shape or size was adapted to the frame of the first clip. TONE_MAPPED: high dynamic range or wide gamut was "
        "converted to standard range. RATE_LOWERED: frames were dropped. PICTURE_HELD: the last frame is held until "
        "the sound ends. More codes may follow."
    )
)
class OutputAdjustment:
    """Made by `adjustments`."""

    versioned_columns: ClassVar = VersionedColumns()

    code: str
    scene_ids: list[strawberry.ID] = strawberry.field(description="The scenes concerned; empty when all are.")
    message: str


def adjustments(stored: dict[str, Any] | None) -> list[OutputAdjustment]:
    """Return the adjustments of a stored video; none of one that was joined before they were stored."""
    return [
        OutputAdjustment(
            code=each["code"],
            scene_ids=[strawberry.ID(scene_id) for scene_id in each["scene_ids"]],
            message=each["message"],
        )
        for each in (stored or {}).get("adjustments", ())
    ]
