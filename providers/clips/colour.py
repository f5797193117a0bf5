"""The colours of a clip, by the code points of Rec. ITU-T H.273."""

from typing import NamedTuple

UNSPECIFIED = 2
BT709, BT2020 = 1, 9
PQ, HLG = 16, 18
# Rec. ITU-T H.273, table 4: identity (RGB), BT.601 for 525 and 625 lines, BT.2020 with non-constant luminance.
MATRIX_RGB, MATRIX_BT470, MATRIX_BT601, MATRIX_BT2020 = 0, 5, 6, 9
LIMITED, FULL = 1, 2
# Untagged pictures that are lower than high definition were made by BT.601, as players assume.
FIRST_HIGH_DEFINITION = 720


class Colour(NamedTuple):
    """Primaries, transfer function and matrix as code points of H.273; range 1 is limited, 2 full, 0 not tagged."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    range: int = 0

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer function is that of Rec. ITU-R BT.2100: PQ or HLG."""
        return self.transfer in (PQ, HLG)
