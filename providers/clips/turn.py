"""The orientation of a clip: the display matrix of its container (ISO/IEC 14496-12, 8.3.2)."""

import struct
from typing import NamedTuple

MATRIX = struct.Struct("=9i")


class Turn(NamedTuple):
    """Where the right and the lower side of the coded picture point: x' = a x + c y, y' = b x + d y, y downwards."""

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1

    @property
    def swaps_sides(self) -> bool:
        """Whether the displayed width is the coded height."""
        return self.a == 0

    @property
    def mirrored(self) -> bool:
        """Whether the picture is reflected, not only turned."""
        return self.a * self.d - self.b * self.c < 0

    @property
    def clockwise(self) -> int:
        """The turn in degrees clockwise: 0, 90, 180 or 270; of a mirrored picture the turn after a horizontal flip."""
        right = (-self.a, -self.b) if self.mirrored else (self.a, self.b)
        return {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[right]

    @property
    def filters(self) -> tuple[tuple[str, str], ...]:
        """The filters of FFmpeg that turn a coded picture upright."""
        return _FILTERS[self]


UPRIGHT = Turn()
_FILTERS: dict[Turn, tuple[tuple[str, str], ...]] = {
    UPRIGHT: (),
    Turn(-1, 0, 0, 1): (("hflip", ""),),
    Turn(1, 0, 0, -1): (("vflip", ""),),
    Turn(-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    Turn(0, 1, -1, 0): (("transpose", "clock"),),
    Turn(0, -1, 1, 0): (("transpose", "cclock"),),
    Turn(0, 1, 1, 0): (("transpose", "cclock_flip"),),
    Turn(0, -1, -1, 0): (("transpose", "clock_flip"),),
}


def turn_of(matrix: bytes | None) -> Turn:
    """Return the nearest quarter turn to FFmpeg's display matrix of nine integers; upright without one."""
    if matrix is None or len(matrix) < MATRIX.size:
        return UPRIGHT
    a, b, _, c, d, *_ = MATRIX.unpack_from(matrix)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(_sign(a), 0, 0, _sign(d))
    return Turn(0, _sign(b), _sign(c), 0)


def _sign(value: int) -> int:
    return -1 if value < 0 else 1
