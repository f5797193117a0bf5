"""Seeds of landscapes: one number decides shapes and colours, so that the seed of a take gives its picture again."""

from hashlib import sha256

SEEDS = 2**32
# Fibonacci hashing: the first of these over SEEDS is the golden section, so that successive seeds are far apart on the
# colour wheel, as successive takes are. It is odd, and therefore has an inverse.
SPREAD = 2_654_435_769
UNSPREAD = pow(SPREAD, -1, SEEDS)
# The part of a full turn between successive takes: among the first dozen, hues differ by at least 20 degrees.
GOLDEN_TURN = 0.381966


def place(seed: int) -> int:
    """Return the place of a seed among all places in 0..SEEDS-1; its upper bits are the hue."""
    return seed * SPREAD % SEEDS


def chosen(prompt: str, title: str | None, number: int) -> int:
    """Choose the seed of a take; another number of the same scene gives visibly different colours."""
    by_prompt = _digest(prompt)
    turn = (by_prompt[0] / 256 + number * GOLDEN_TURN) % 1
    shapes = int.from_bytes(_digest("\0".join((prompt, title or "", str(number))))[:2])
    # The lowest bit decides between two families of colours: all takes of a prompt have the same.
    lower = shapes & ~1 | by_prompt[1] & 1
    return (int(turn * (SEEDS >> 16)) << 16 | lower) * UNSPREAD % SEEDS


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
