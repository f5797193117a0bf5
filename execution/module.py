"""Generated Python functions.

Nothing of a document gets into the source text except names that the GraphQL lexer has accepted, and these only as
string literals written by `repr` (`literal`). Values of any other kind are constants: the source names them c1, c2, ….
"""

import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

from execution.deviation import UNKNOWN, Unsupported, deviate

_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*\Z")

_BUILTINS: Final[dict[str, Any]] = {
    "__builtins__": {},
    "zip": zip,
    "bool": bool,
    "float": float,
    "int": int,
    "str": str,
    "type": type,
    "deviate": deviate,
}


class Module:
    """The functions of one plan, and the constants that they use."""

    def __init__(self) -> None:
        self._globals = dict(_BUILTINS)
        self._numbers = count(1)
        self._names: dict[int, str] = {}

    def constant(self, value: Any) -> str:
        """Return the name under which the functions find a value."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"c{next(self._numbers)}"
            self._globals[name] = value  # also keeps the value alive, so that its id stays its own
        return name

    def function(self, arguments: Sequence[str], lines: Sequence[str]) -> Callable[..., Any]:
        """Define a function with this body and return it."""
        name = f"f{next(self._numbers)}"
        source = f"def {name}({', '.join(arguments)}):\n" + "".join(f"  {line}\n" for line in lines)
        exec(compile(source, "<compiled operation>", "exec", dont_inherit=True), self._globals)  # noqa: S102 # see the head of this file
        function: Callable[..., Any] = self._globals[name]
        return function


def literal(name: str) -> str:
    """Return the source of a string literal with a GraphQL name. Raises Unsupported for anything that is none."""
    if _NAME.match(name) is None:
        raise Unsupported(UNKNOWN)
    return repr(name)


def attribute(name: str) -> str:
    """Return the source that reads an attribute. Raises Unsupported unless it is a plain name."""
    if _NAME.match(name) is None or name.startswith("__"):
        raise Unsupported(UNKNOWN)
    return f".{name}"
