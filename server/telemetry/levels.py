"""The levels of log records by module: which may be set, and how the setting is written."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

_ROOT: Final = Path(__file__).parents[2]

WARNINGS_ONLY: Final = (
    "aiosqlite",
    "alembic",
    "httpcore",
    "httpx",
    "pgqueuer",
    "sqlalchemy",
    "uvicorn.error",
    "websockets",
)
"""Below WARNING these log prompts and tokens: SQL statements with their values, messages, requests as they arrive."""

LEVELS: Final = ("debug", "info", "warning", "error")
_OWN: Final = "scenewire"
"""The beginning of the names of loggers that are no modules."""


def _split(value: object) -> object:
    """Return the levels by module of `MODULE=LEVEL,...`."""
    if not isinstance(value, str):
        return value
    levels: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        module, equals, level = (each.strip() for each in part.partition("="))
        if not (module and equals):
            raise ValueError(f"{part!r} is not a module and its level, such as coordinator.renders=DEBUG")
        levels[module] = level.lower()
    return levels


def _check(levels: dict[str, str]) -> dict[str, str]:
    for module, level in levels.items():
        if level not in LEVELS:
            raise ValueError(f"{level!r} is not a level of {module}; the levels are {', '.join(LEVELS)}")
        if not _exists(module):
            raise ValueError(
                f"there is no module {module!r}; a module is named as in the log, such as coordinator.renders"
            )
        if level in ("debug", "info") and (secretive := _secretive(module)):
            raise ValueError(f"{secretive} logs prompts or tokens below warning, so {module} cannot be set to {level}")
    return levels


def _exists(name: str) -> bool:
    first, *rest = name.split(".")
    if first == _OWN:
        return True
    if (_ROOT / first / "__init__.py").exists():
        path = _ROOT.joinpath(first, *rest)
        return all(part.isidentifier() for part in rest) and (path.is_dir() or path.with_suffix(".py").exists())
    try:
        return find_spec(first) is not None
    except ValueError:
        return False


def _secretive(module: str) -> str | None:
    """Return the logger in WARNINGS_ONLY that this name is, or is below."""
    return next((name for name in WARNINGS_ONLY if f"{module}.".startswith(f"{name}.")), None)


LogLevels = Annotated[dict[str, str], NoDecode, BeforeValidator(_split), AfterValidator(_check)]


def set_levels(level: str, by_module: dict[str, str]) -> None:
    """Set the level of all records, and of those of some modules."""
    logging.getLogger().setLevel(level.upper())
    for name in WARNINGS_ONLY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for module, own in by_module.items():
        logging.getLogger(module).setLevel(own.upper())
