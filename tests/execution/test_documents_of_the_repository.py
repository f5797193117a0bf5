"""Nearly every document of the tests, the pages, the explorer and the example clients is answered by a plan."""

import ast
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType, parse, validate

from execution.deviation import INTROSPECTION, Unsupported
from execution.plans import Plans
from execution.selections import condition_variables
from server.graphql.schema import executable_schema

ROOT = Path(__file__).parent.parent.parent
SUFFIXES = (".py", ".md", ".graphql", ".js", ".mjs", ".ts", ".tsx", ".html")
FOLDERS = ("tests", "docs", "web", "bench")
LEAST_SHARE = 0.95
_OPERATION = re.compile(r"^\s*(query|mutation|subscription|fragment|\{|#)")
# Blocks of pages, and template strings of scripts.
_QUOTED = re.compile(r"```graphql\n(.*?)```|`([^`]*)`", re.DOTALL)

# Bodies of requests, as in the commands of pages.
_BODY = re.compile(r"""'(\{"query": "(?:[^"\\']|\\.)*"\})'""")


class Found(NamedTuple):
    """A document and the file that contains it."""

    file: str
    text: str


def texts(file: Path) -> Iterator[str]:
    """Yield the strings of a file that may be documents."""
    content = file.read_text()
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    elif file.suffix == ".graphql":
        yield content
    else:
        yield from (block or quoted for block, quoted in _QUOTED.findall(content))
        yield from (json.loads(body)["query"] for body in _BODY.findall(content))


def files() -> Iterator[Path]:
    """Yield the files that may contain documents."""
    yield ROOT / "README.md"
    for folder in FOLDERS:
        for parent, folders, names in os.walk(ROOT / folder):
            folders[:] = sorted({*folders} - {"node_modules", "dist", "__pycache__"})
            yield from (Path(parent, name) for name in sorted(names) if name.endswith(SUFFIXES))


@cache
def documents() -> list[tuple[Found, DocumentNode]]:
    """Return the documents that are valid for the schema, each once."""
    schema = executable_schema().core
    found: dict[str, tuple[Found, DocumentNode]] = {}
    for file in files():
        for text in texts(file):
            if text in found or _OPERATION.match(text) is None:
                continue
            try:
                document = parse(text)
            except GraphQLError:
                continue
            executable = any(isinstance(node, OperationDefinitionNode) for node in document.definitions)
            if executable and not validate(schema, document):
                found[text] = Found(str(file.relative_to(ROOT)), text), document
    return list(found.values())


def test_documents_of_the_repository_take_the_compiled_path() -> None:
    """All but those that introspect the schema."""
    plans = Plans(executable_schema())
    compiled, others, kinds = 0, list[tuple[str, Found]](), set[OperationType]()
    for found, document in documents():
        for operation in document.definitions:
            if not isinstance(operation, OperationDefinitionNode):
                continue
            conditions = [(name, True) for name in condition_variables(document, operation)]
            try:
                plans.plan(found.text, document, operation, conditions)
            except Unsupported as unsupported:
                others.append((unsupported.reason, found))
            else:
                compiled += 1
                kinds.add(operation.operation)
    assert compiled > 150
    assert kinds == set(OperationType)
    assert compiled / (compiled + len(others)) >= LEAST_SHARE
    assert [found for reason, found in others if reason != INTROSPECTION] == []


@pytest.mark.parametrize("place", ["README.md", "docs/", "tests/", "web/"])
def test_documents_are_found_in(place: str) -> None:
    """The scan does not miss a kind of file."""
    assert any(found.file.startswith(place) for found, _ in documents())
