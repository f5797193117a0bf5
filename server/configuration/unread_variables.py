"""Environment variables with the prefix SCENEWIRE_ that nothing reads, which are usually misspelled settings."""

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.lazy_import import lazily
from server.settings import PREFIX, Settings

if TYPE_CHECKING:
    import difflib
else:
    difflib = lazily("difflib")

log = logging.getLogger("scenewire")

# Read by the commands `watch` and `demo`; it is no setting of a server.
TOKEN = "TOKEN"  # noqa: S105 # its name


def warn_of_unread_variables() -> None:
    """Log a warning for each variable that nothing reads."""
    for sentence in unread_variables():
        log.warning("%s", sentence, extra={"action": "settings.unread"})


def unread_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return one sentence for each variable that nothing reads, with the nearest name that exists.

    Names are compared without regard to case, as they are read.
    """
    known = {*(name.upper() for name in Settings.model_fields), TOKEN}
    given = {name: name.upper().removeprefix(PREFIX) for name in environment if name.upper().startswith(PREFIX)}
    return [_sentence(name, given[name], sorted(known)) for name in sorted(given) if given[name] not in known]


def _sentence(name: str, given: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(given, known, n=1, cutoff=0.0)[0]
    return f"{name} is not a setting and has no effect; the nearest name is {PREFIX}{nearest}"
