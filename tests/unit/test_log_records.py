"""Every log record of the program names an action, and what is passed with it is part of its line."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("server", "resolvers", "subscriptions", "schema", "coordinator", "providers", "models", "execution")
METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "makeRecord"})
LOGGERS = frozenset({"log", "logger", "access_log", "operation_log"})
RESERVED = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
LEAST_CALLS = 80


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls that make a record."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in LOGGERS
        ):
            yield node


def keys_of(call: ast.Call, tree: ast.Module) -> set[str]:
    """Return the constant keys of the extras of a call; none without extras.

    A name stands for the dictionaries that are assigned to it anywhere in the module.
    """
    extra = next((keyword.value for keyword in call.keywords if keyword.arg == "extra"), None)
    found = [extra]
    if isinstance(extra, ast.Name):
        found = [value for target, value in assigned(tree) if target == extra.id]
    keys = [key for each in found if isinstance(each, ast.Dict) for key in each.keys]
    return {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the names that are assigned to, with their values."""
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
                yield target.id, node.value


def wrong(source: str) -> list[str]:
    """Return what is wrong with the records of a module, by line."""
    tree = ast.parse(source)
    problems: list[str] = []
    for call in calls(tree):
        keys = keys_of(call, tree)
        if "action" not in keys:
            problems.append(f"{call.lineno}: no action")
        problems += [f"{call.lineno}: {key} is an attribute of each record" for key in sorted(keys & RESERVED)]
    return problems


def test_every_record_has_an_action_and_names_of_its_own() -> None:
    """Without an action its extras are not in the line; a name of the library's record raises KeyError."""
    problems: dict[str, list[str]] = {}
    count = 0
    for path in sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")):
        source = path.read_text("utf-8")
        count += sum(1 for _ in calls(ast.parse(source)))
        if found := wrong(source):
            problems[str(path.relative_to(ROOT))] = found
    assert count >= LEAST_CALLS
    assert problems == {}


def test_record_without_action_or_with_a_taken_name_is_found() -> None:
    """Also where the extras are assigned to a name before."""
    assert wrong('log.info("a", extra={"action": "b", "job": job})') == []
    assert wrong('log.info("a")') == ["1: no action"]
    assert wrong('extra = {"job": job}\nlog.warning("a", extra=extra)') == ["2: no action"]
    assert wrong('log.error("a", extra={"action": "b", "name": 1})') == ["1: name is an attribute of each record"]
