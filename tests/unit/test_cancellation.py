"""No code of the product swallows the cancellation of a task, because a stop would wait for that task without end.

`# cancellation: REASON` on the line of an `except` or `with` permits what is done there on purpose.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ("server", "resolvers", "subscriptions", "schema", "coordinator", "providers", "models", "execution")
CANCELLATIONS = {"CancelledError", "BaseException", "BaseExceptionGroup"}
MARK = "# cancellation: "
LEAVES = (ast.Raise, ast.Return, ast.Break)

Finding = tuple[int, str]


def names(tree: ast.AST | None) -> set[str]:
    """Return the last parts of the names in a tree: CancelledError of `asyncio.CancelledError`."""
    nodes = list(ast.walk(tree)) if tree is not None else []
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in nodes if isinstance(node, ast.Name)}


def within(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes inside a statement, those of nested functions left out."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from within(child)


def awaits(statements: list[ast.stmt]) -> bool:
    """Whether the statements can be interrupted by a cancellation."""
    kinds = ast.Await | ast.AsyncFor | ast.AsyncWith
    return any(isinstance(node, kinds) for each in statements for node in (each, *within(each)))


def caught_cancellations(tree: ast.AST) -> Iterator[Finding]:
    """Yield handlers of a cancellation that do not raise at their end."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler) or isinstance(node.body[-1], ast.Raise):
            continue
        if node.type is None or names(node.type) & CANCELLATIONS:
            yield node.lineno, "catches a cancellation and does not raise it"


def suppressed_cancellations(tree: ast.AST) -> Iterator[Finding]:
    """Yield calls of `suppress` that name a cancellation."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and "suppress" in names(node.func)
            and any(names(argument) & CANCELLATIONS for argument in node.args)
        ):
            yield node.lineno, "suppresses a cancellation"


def waits_with_a_timeout(tree: ast.AST) -> Iterator[Finding]:
    """Yield uses of `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that arrives with a result."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and "wait_for" in names(node):
            yield node.lineno, "uses wait_for"


def retries_after_a_cancellation(tree: ast.AST) -> Iterator[Finding]:
    """Yield loops that go on after an error without asking whether it has replaced a cancellation.

    Cleaning up after a cancellation may fail, and that error is raised in its place.
    """
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.While | ast.For | ast.AsyncFor):
            continue
        for node in within(loop):
            if isinstance(node, ast.Try) and awaits(node.body):
                for handler in node.handlers:
                    if not isinstance(handler.body[-1], LEAVES) and "raise_if_cancelled" not in names(handler):
                        yield handler.lineno, "goes on after an error without raise_if_cancelled"
            elif (
                isinstance(node, ast.With)
                and awaits(node.body)
                and any("suppress" in names(item.context_expr) for item in node.items)
                and not is_timeout(node)
            ):
                yield node.lineno, "goes on after a suppressed error"


def is_timeout(node: ast.With) -> bool:
    """Whether the block only limits a wait: `asyncio.timeout` keeps a cancellation that comes with its own."""
    only = node.body[0]
    kinds = [
        names(item.context_expr) for item in (*node.items, *(only.items if isinstance(only, ast.AsyncWith) else ()))
    ]
    return len(node.body) == 1 and kinds[0] == {"suppress", "TimeoutError"} and "timeout" in set().union(*kinds[1:])


RULES: dict[str, Callable[[ast.AST], Iterator[Finding]]] = {
    "caught": caught_cancellations,
    "suppressed": suppressed_cancellations,
    "wait_for": waits_with_a_timeout,
    "retried": retries_after_a_cancellation,
}


# A source without any of these words has nothing that a rule finds.
WORDS = {
    "caught": ("except",),
    "suppressed": ("suppress",),
    "wait_for": ("wait_for",),
    "retried": ("except", "suppress"),
}


@cache
def parsed(source: str) -> ast.AST:
    """Parse a source once for all rules."""
    return ast.parse(source)


def findings(source: str, rule: str) -> list[Finding]:
    """Return what a rule finds in a source, except in marked lines."""
    if not any(word in source for word in WORDS[rule]):
        return []
    lines = source.splitlines()
    return [(line, what) for line, what in RULES[rule](parsed(source)) if MARK not in lines[line - 1]]


@pytest.mark.parametrize("rule", RULES)
def test_product_swallows_no_cancellation(rule: str) -> None:
    """Checks every file of the product."""
    files = [file for package in PRODUCT for file in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    found = [
        f"{file.relative_to(ROOT)}:{line}: {what}" for file in files for line, what in findings(file.read_text(), rule)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("caught", "try:\n    await x()\nexcept (OSError, asyncio.CancelledError):\n    pass"),
        ("caught", "try:\n    await x()\nexcept BaseException:\n    log()"),
        ("caught", "try:\n    await x()\nexcept:\n    log()"),
        ("suppressed", "with suppress(asyncio.CancelledError):\n    await x()"),
        ("wait_for", "await asyncio.wait_for(x(), 1)"),
        ("retried", "while True:\n    try:\n        await x()\n    except Exception:\n        log()"),
        ("retried", "while True:\n    with suppress(Unavailable):\n        await x()"),
    ],
    ids=["tuple", "base", "bare", "suppress", "wait_for", "retry", "suppressed-retry"],
)
def test_swallowed_cancellation_is_found(rule: str, statement: str) -> None:
    """Every kind is found, unless the line is marked with a reason."""
    indented = statement.replace("\n", "\n    ")
    source = f"async def work():\n    {indented}\n"
    assert len(findings(source, rule)) == 1
    lines = source.splitlines()
    ((line, _),) = findings(source, rule)
    lines[line - 1] += f"  {MARK}on purpose"
    assert findings("\n".join(lines), rule) == []
