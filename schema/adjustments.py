"""OutputAdjustment: what was done to clips so that they form one video."""

from typing import Any, ClassVar

import strawberry

from execution.versions import VersionedColumns


@strawberry.type(
    description=(
        "What was done to clips so that they form one video. ENCODED: the pictures were encoded anew, because the "
        "clips differ or browsers do not play them as they are; without it they were copied. TURNED, PIXELS_SQUARED, "
        "RESIZED: they are shown as before, in the frame of the first clip. TONE_MAPPED: high dynamic range or wide "
        "gamut became standard range. RATE_LOWERED: pictures were left out. PICTURE_HELD: the last picture stays until "
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
