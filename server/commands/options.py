"""Options of the commands: instants and ids."""

import re
from datetime import UTC, datetime, timedelta

from models.domain import rfc3339
from models.domain.ids import Prefix, is_id
from server.settings import WrongSettings

_AGO = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def instant(option: str, text: str | None, now: datetime) -> datetime | None:
    """Return the instant of an option: by RFC 3339, a day (its begin in UTC), or a span before now such as 90m.

    Raises WrongSettings for any other text.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        return rfc3339.parse(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    except ValueError as error:
        example = f"an instant such as {rfc3339.EXAMPLE}, a day such as 2026-01-31, or a span before now such as 90m"
        raise WrongSettings(f"{option}: {text!r} is not {example}") from error


def checked_id(option: str, text: str | None, prefix: Prefix) -> str | None:
    """Return the id of an option. Raises WrongSettings for what is none."""
    if text is not None and not is_id(text, prefix):
        raise WrongSettings(f"{option}: {text!r} is not the id of a {prefix}")
    return text
