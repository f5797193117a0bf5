"""Instants as text, by RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339). Pure.

The standard library reads ISO 8601, which has week dates, a basic format, fractions after a comma, 24:00 and offsets
with seconds, and lacks leap seconds.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EXAMPLE = "2026-01-31T12:00:00Z"

# The grammar of section 5.6. Letters may be lower case; a fraction has any number of digits.
_FORMAT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<minutes>(?:[01]\d|2[0-3]):[0-5]\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d+))?"
    r"(?:[Zz]|(?P<offset>[+-](?:[01]\d|2[0-3]):[0-5]\d))",
    re.ASCII,
)


def parse(text: str) -> datetime:
    """Return the instant, in UTC and cut to microseconds; a leap second is the first second of the following minute.

    Raises ValueError for any other text, and for an instant outside the years 1 to 9999.
    """
    matched = _FORMAT.fullmatch(text)
    if matched is None:
        raise ValueError(f"must be an instant such as {EXAMPLE}, by RFC 3339")
    is_leap = matched["seconds"] == "60"
    seconds = "59" if is_leap else matched["seconds"]
    try:
        # fromisoformat cuts the fraction to microseconds.
        fraction = matched["fraction"] or "0"
        written = f"{matched['date']}T{matched['minutes']}:{seconds}.{fraction}{matched['offset'] or '+00:00'}"
        instant = datetime.fromisoformat(written).astimezone(UTC)
        return _after_leap_second(instant) if is_leap else instant
    except OverflowError as error:
        raise ValueError("must be an instant of the years 1 to 9999") from error


# What a change makes shows its instant several times.
@lru_cache(64)
def text(instant: datetime) -> str:
    """Return the instant in UTC, such as 2026-01-31T12:00:00Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _after_leap_second(instant: datetime) -> datetime:
    """Return the instant one second after the last second of a month of UTC, the only place of a leap second."""
    following = instant + timedelta(seconds=1)
    if (following.day, following.hour, following.minute, following.second) != (1, 0, 0, 0):
        raise ValueError("has a 60th second, which only the last minute of a month of UTC may have")
    return following
