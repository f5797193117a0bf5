"""The rows of the sample schema, and its enums."""

import enum
from datetime import UTC, datetime
from typing import Any, NamedTuple

import strawberry


class Hue(enum.Enum):
    """An enum whose values are no strings."""

    RED = 1
    GREEN = 2


class Mood(enum.StrEnum):
    """An enum whose values are other strings than its names."""

    GLAD = "glad"
    SAD = "sad"


strawberry.enum(Hue)
strawberry.enum(Mood)


class PetRow(NamedTuple):
    """An ordinary row; `narrow` makes narrow ones, as a database would store them."""

    id: str
    owner_id: str
    name: str
    mood: Mood
    born_at: datetime
    tags: list[str]
    tame: bool
    weight: float | None

    def stored(self) -> dict[str, Any]:
        """Return the raw values by column."""
        raw: dict[str, Any] = self._asdict()
        tags = '["' + '", "'.join(self.tags) + '"]' if self.tags else "[]"
        return raw | {
            "mood": self.mood.value,
            "born_at": self.born_at.isoformat(),
            "tags": tags,
            "tame": int(self.tame),
        }


PETS = [
    PetRow(
        f"pet{number}",
        f"owner{number % 3}",
        f"Pet {number}",
        Mood.SAD if number % 2 else Mood.GLAD,
        datetime(2026, 1, number + 1, 10, tzinfo=UTC),
        ["a", "b"][: number % 3],
        number % 2 == 0,
        None if number == 4 else number / 2,
    )
    for number in range(7)
]
