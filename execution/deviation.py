"""Why an operation is left to graphql-core."""

from typing import Final, NoReturn

INTROSPECTION: Final = "introspection"
DIRECTIVE: Final = "directive"
TOO_LARGE: Final = "too large"
UNKNOWN: Final = "unknown construct"
COMPILE_TIME: Final = "no time left for compiling"
VARIABLES: Final = "variables"
NULL: Final = "null in a non-null field"
TYPE: Final = "value of another type"
ERROR: Final = "error of a resolver"


class Unsupported(Exception):
    """An operation that is not compiled. `reason` is one of this module's constants."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Deviation(Exception):
    """A value that a compiled operation does not complete, so that graphql-core has to complete or refuse it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def deviate(reason: str) -> NoReturn:
    """Raise Deviation; for generated code, which has expressions only."""
    raise Deviation(reason)
