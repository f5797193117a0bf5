"""Limits of the processes that read clips of unknown make: what one clip may cost in pixels, time and memory."""

import sys
from contextlib import suppress

if sys.platform != "win32":
    import resource

# 8K. Checked before a picture is decoded, by the size that the file announces and by that of its codec's headers.
LARGEST_PIXELS = 8192 * 4320
LARGEST_SIDE = 16_384
# Four hours at 60 pictures a second, five hours of sound.
MOST_PACKETS = 864_000
# A clip may last this much longer than was asked for: providers round, and some have fixed lengths.
SPARE_SECONDS = 60.0
SPARE_FACTOR = 2.0
# The longest clip when nothing is known about what was asked for.
LONGEST_SECONDS = 3600.0
# Decoding 8K with ten bits keeps seventeen pictures of 106 MB (Rec. ITU-T H.264, A.3.1), besides code and encoder.
MEMORY_BYTES = 3 << 30
# Options of FFmpeg for containers and decoders: it then refuses a larger picture before it allocates one.
OPTIONS = {"max_pixels": str(LARGEST_PIXELS)}


def longest_seconds(asked_seconds: float | None) -> float:
    """Return how long a clip may be for which `asked_seconds` were asked."""
    if asked_seconds is None:
        return LONGEST_SECONDS
    return min(LONGEST_SECONDS, SPARE_FACTOR * asked_seconds + SPARE_SECONDS)


def confine(*, cpu_seconds: float, memory_bytes: int = MEMORY_BYTES) -> None:
    """Limit the memory and the CPU time of this process; with more it fails with MemoryError or is killed (SIGXCPU).

    Windows has no such limits.
    """
    if sys.platform == "win32":
        return
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, max(1, round(cpu_seconds))),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        # macOS refuses RLIMIT_AS.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
